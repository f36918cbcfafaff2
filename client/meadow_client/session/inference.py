"""A session: the state that a chain of servers keeps for one text (or one batch of texts), held by the client.

Used from one thread at a time, never from the swarm's event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import torch

from meadow_client.errors import ContextExceededError, SessionClosedError, UsageError
from meadow_client.session.chain import Member
from meadow_client.session.hop import Tensors
from meadow_client.session.job import Job
from meadow_client.session.saving import SavedSession, read_session, write_session
from meadow_client.session.swarm_client import SessionRange, SwarmClient, Waiting
from meadow_client.session.upkeep import Embed, Recovery, Upkeep

_T = TypeVar("_T")


class InferenceSession:
    """Layers [start, end) with a cache on their servers.

    The chain is opened by the first step. `position` counts the tokens in the cache; setting it to less rolls the
    session back, and the servers drop what is behind it with the next step.
    """

    def __init__(
        self,
        client: SwarmClient,
        start: int,
        end: int,
        max_length: int,
        on_waiting: Callable[[Waiting], None] | None = None,
    ) -> None:
        """`max_length` bounds the tokens of every sequence, prompt and answer together."""
        if max_length < 1:
            raise UsageError("A session needs a max_length of at least 1 token")
        self._client = client
        self._upkeep = Upkeep(client, SessionRange(start, end, max_length), on_waiting)
        self._layers = (start, end)
        self._position = 0
        self._beam_order: torch.Tensor | None = None
        self._orders = 0
        self._is_closed = False
        self._running: set[Future[Any]] = set()
        self.max_length = max_length
        self.tokens: torch.Tensor | None = None
        """The token ids [B, position] in the cache, where a model with embeddings fed this session."""
        self.text: torch.Tensor | None = None
        """What `generate` returned last in this session: token ids [B, position + 1] or so."""

    def __enter__(self) -> InferenceSession:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def position(self) -> int:
        return self._position

    @position.setter
    def position(self, value: int) -> None:
        if not 0 <= value <= self._position:
            raise UsageError(f"A session at position {self._position} cannot be moved to {value}, only back")
        self._position = value
        if self.tokens is not None:
            self.tokens = self.tokens[:, :value]

    @property
    def members(self) -> list[Member]:
        """The servers of the chain, in order; empty before the first step."""
        pipeline = self._upkeep.pipeline
        return [] if pipeline is None else pipeline.members

    @property
    def trips(self) -> int:
        """How often a step comes back to this computer: once where every server reaches the next one."""
        pipeline = self._upkeep.pipeline
        return 0 if pipeline is None else pipeline.trips

    @property
    def compute_s(self) -> float:
        """Seconds that the servers together say they computed for the latest step."""
        pipeline = self._upkeep.pipeline
        return 0.0 if pipeline is None else pipeline.compute_s()

    @property
    def recoveries(self) -> list[Recovery]:
        """The servers that were lost on the way and those that took over, in order."""
        return self._upkeep.recoveries

    @property
    def history_bytes(self) -> int:
        """Memory on this computer for what would be sent again if all servers were lost."""
        return self._upkeep.history.nbytes

    def embed_with(self, embed: Embed) -> None:
        """How token ids become what enters the layers, should they have to go in once more."""
        self._upkeep.embed = embed

    def reorder(self, beam_order: torch.Tensor) -> None:
        """Take the cache's rows in this order, [B] of int64, before the next step (beam search)."""
        order = beam_order.to("cpu", torch.int64)
        self._beam_order = order if self._beam_order is None else self._beam_order[order]
        if self.tokens is not None:
            self.tokens = self.tokens[order]

    def step(
        self,
        hidden: torch.Tensor,
        position_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        keep: int | None = None,
        ids: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Take `hidden` [B, T, D] through the layers after what is cached; returns [B, T, D], or [B, keep, D].

        Args:
            hidden: the next T tokens' hidden states, floating point, on any device.
            position_ids: [B, T] or [1, T]; by default the next T positions.
            attention_mask: [B, position + T], zero or false for padding; by default nothing is padded.
            keep: how many of the last tokens' outputs are wanted back; by default all.
            ids: the token ids [B, T] that `hidden` was made of, if `embed_with` was told how. They are remembered
                in its place, in order that the session survives the loss of servers.

        Raises:
            ContextExceededError: the session has no room for T more tokens.
            LayersMissingError, ServerLostError, ServerRefusedError: the swarm failed, again and again; the session is
                closed.
            SessionClosedError: it was closed before.
        """
        if self._is_closed:
            raise SessionClosedError("This session is closed")
        batch, tokens, _width = hidden.shape
        if self._position + tokens > self.max_length:
            raise ContextExceededError(self._position + tokens, self.max_length)
        extras = self._extras(batch, tokens, position_ids, attention_mask)
        keep_from = 0 if keep is None else self._position + max(0, tokens - keep)
        try:
            source = {"hidden": hidden} if ids is None else {"ids": ids}
            entering: dict[str, torch.Tensor] = {**source, **extras}  # type: ignore[dict-item]
            kept = {name: tensor.detach().cpu() for name, tensor in entering.items()}
            self._upkeep.history.put(self._position, kept, self._orders)
            job = Job(self._position, {**extras, "hidden": hidden}, keep_from, self._orders)
            output = self._upkeep.run(job, self._wait_for)
        except BaseException:
            self._is_closed = True
            # Always: where somebody cancelled this, servers may just now be there.
            self._client.wait_for(self._upkeep.aclose())
            raise
        self._position += tokens
        return output

    def save(self, path: str | Path) -> None:
        """Write the session to a file, with which `load_session` goes on later, also in another program.

        The file holds the token ids, or the hidden states that a program fed; it is as private as they are.

        Raises:
            OSError: the file cannot be written.
        """
        known = {"tokens": self.tokens, "text": self.text}
        tensors = {name: tensor.detach().cpu() for name, tensor in known.items() if tensor is not None}
        if self._beam_order is not None:
            raise UsageError("A session in the middle of a beam search cannot be saved", "Save it after the next step.")
        saved = SavedSession(
            self._client.model, *self._layers, self.max_length, self._position, self._upkeep.history, tensors
        )
        write_session(Path(path), saved)

    @classmethod
    def load(
        cls,
        client: SwarmClient,
        layers: tuple[int, int],
        path: str | Path,
        on_waiting: Callable[[Waiting], None] | None = None,
    ) -> InferenceSession:
        """The session that was saved in a file. Its first step computes everything again, at the speed of a prompt.

        Raises:
            OSError: the file cannot be read.
            UsageError: it holds no session, or one of another model or of other layers.
        """
        saved = read_session(Path(path))
        if saved.model != client.model or (saved.start, saved.end) != layers:
            raise UsageError(
                f"{path} is a session of another model, or of other layers than {layers[0]}:{layers[1]}",
                "Load it with the model that saved it.",
            )
        session = cls(client, saved.start, saved.end, saved.max_length, on_waiting)
        session._upkeep.history = saved.history
        session._position = saved.position
        session.tokens, session.text = saved.known.get("tokens"), saved.known.get("text")
        return session

    def close(self) -> None:
        """End the session; its servers free its cache. Closing twice does nothing."""
        was_closed, self._is_closed = self._is_closed, True
        if not was_closed or self._upkeep.is_open:
            self._client.wait_for(self._upkeep.aclose())

    def cancel(self) -> None:
        """End the session from another thread; a step that is under way there raises CancelledError."""
        self._is_closed = True
        for future in list(self._running):
            future.cancel()

    def _wait_for(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        if self._is_closed:
            coroutine.close()
            raise SessionClosedError("This session is closed")
        future = asyncio.run_coroutine_threadsafe(coroutine, self._client.loop)
        self._running.add(future)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise
        finally:
            self._running.discard(future)

    def _extras(
        self, batch: int, tokens: int, position_ids: torch.Tensor | None, attention_mask: torch.Tensor | None
    ) -> Tensors:
        """Only what differs from what servers assume by themselves goes over the wire."""
        extras: dict = {}
        if position_ids is not None:
            expected = torch.arange(self._position, self._position + tokens, device=position_ids.device)
            if not torch.equal(position_ids, expected.expand_as(position_ids)):
                extras["position_ids"] = position_ids.to(torch.int64).expand(batch, tokens)
        if attention_mask is not None and not bool(attention_mask.bool().all()):
            if attention_mask.shape != (batch, self._position + tokens):
                raise UsageError(
                    f"The attention mask has the shape {tuple(attention_mask.shape)} instead of"
                    f" {(batch, self._position + tokens)}: it must cover all tokens so far"
                )
            extras["attention_mask"] = attention_mask.bool()
        if self._beam_order is not None:
            extras["beam_idx"] = self._beam_order
            self._beam_order = None
            self._orders += 1
        return extras
