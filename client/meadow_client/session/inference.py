"""A session: the state that a chain of servers keeps for one text (or one batch of texts), held by the client.

Used from one thread at a time, never from the swarm's event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from types import TracebackType
from typing import Any

import torch

from meadow_client.errors import (
    ContextExceededError,
    ServerLostError,
    ServerRefusedError,
    SessionClosedError,
    UsageError,
)
from meadow_client.session.chain import Member
from meadow_client.session.hop import Tensors
from meadow_client.session.pipeline import Pipeline
from meadow_client.session.swarm_client import SwarmClient, Waiting


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
        self._start, self._end = start, end
        self._pipeline: Pipeline | None = None
        self._position = 0
        self._beam_order: torch.Tensor | None = None
        self._is_closed = False
        self._running: set[Future[torch.Tensor]] = set()
        self._on_waiting = on_waiting
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
        return [] if self._pipeline is None else self._pipeline.members

    @property
    def trips(self) -> int:
        """How often a step comes back to this computer: once where every server reaches the next one."""
        return 0 if self._pipeline is None else self._pipeline.trips

    @property
    def compute_s(self) -> float:
        """Seconds that the servers together say they computed for the latest step."""
        return 0.0 if self._pipeline is None else self._pipeline.compute_s()

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
    ) -> torch.Tensor:
        """Take `hidden` [B, T, D] through the layers after what is cached; returns [B, T, D], or [B, keep, D].

        Args:
            hidden: the next T tokens' hidden states, floating point, on any device.
            position_ids: [B, T] or [1, T]; by default the next T positions.
            attention_mask: [B, position + T], zero or false for padding; by default nothing is padded.
            keep: how many of the last tokens' outputs are wanted back; by default all.

        Raises:
            ContextExceededError: the session has no room for T more tokens.
            LayersMissingError, ServerLostError, ServerRefusedError: the swarm failed; the session is closed.
            SessionClosedError: it was closed before.
        """
        if self._is_closed:
            raise SessionClosedError("This session is closed")
        batch, tokens, _width = hidden.shape
        if self._position + tokens > self.max_length:
            raise ContextExceededError(self._position + tokens, self.max_length)
        extras = self._extras(batch, tokens, position_ids, attention_mask)
        try:
            keep_from = 0 if keep is None else self._position + max(0, tokens - keep)
            output = self._wait_for(self._step({**extras, "hidden": hidden}, keep_from))
        except (ServerLostError, ServerRefusedError) as error:
            self._client.ban(error.peer)
            self.close()
            raise
        except BaseException:
            self.close()
            raise
        self._position += tokens
        return output

    def close(self) -> None:
        """End the session; its servers free its cache. Closing twice does nothing."""
        self._is_closed = True
        pipeline, self._pipeline = self._pipeline, None
        if pipeline is not None:
            self._client.wait_for(pipeline.aclose())

    def cancel(self) -> None:
        """End the session from another thread; a step that is under way there raises CancelledError."""
        self._is_closed = True
        for future in list(self._running):
            future.cancel()

    def _wait_for(self, coroutine: Coroutine[Any, Any, torch.Tensor]) -> torch.Tensor:
        future = asyncio.run_coroutine_threadsafe(coroutine, self._client.loop)
        self._running.add(future)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise
        finally:
            self._running.discard(future)

    async def _step(self, tensors: Tensors, keep_from: int) -> torch.Tensor:
        if self._pipeline is None:
            self._pipeline = await self._client.open_session(
                self._start, self._end, tensors["hidden"].shape[0], self.max_length, self._on_waiting
            )
            if self._is_closed:  # by another thread, which saw no pipeline
                pipeline, self._pipeline = self._pipeline, None
                await pipeline.aclose()
                raise SessionClosedError("This session is closed")
        return await self._pipeline.step(self._position, tensors, keep_from)

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
        return extras
