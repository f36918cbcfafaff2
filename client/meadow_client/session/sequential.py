"""Remote layers as a PyTorch module."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from meadow_client.errors import UsageError
from meadow_client.session.chain import Chain
from meadow_client.session.hop import Tensors
from meadow_client.session.inference import InferenceSession
from meadow_client.session.swarm_client import SwarmClient, Waiting


class RemoteSequential(nn.Module):
    """Layers [start, end) of a model, computed by the swarm.

    Calling it runs the layers on whole texts without a cache; the result is differentiable with respect to the
    hidden states that go in. The servers' weights never change.
    """

    def __init__(self, client: SwarmClient, start: int = 0, end: int | None = None) -> None:
        super().__init__()
        self.client = client
        self.start, self.end = start, client.num_layers if end is None else end

    def __len__(self) -> int:
        return self.end - self.start

    def __getitem__(self, key: slice | int) -> RemoteSequential:
        """A part: `remote[4:8]`, `remote[-1]`. Numbers count from this part's first layer."""
        if isinstance(key, slice):
            first, last, stride = key.indices(len(self))
            if stride != 1:
                raise UsageError("Remote layers can be taken in their order only, without a stride")
        else:
            first = key + len(self) if key < 0 else key
            last = first + 1
        if not 0 <= first < last <= len(self):
            raise IndexError(f"no layers {key} among {len(self)}")
        return RemoteSequential(self.client, self.start + first, self.start + last)

    def extra_repr(self) -> str:
        return f"layers {self.start}:{self.end} of {self.client.model_name}"

    def inference_session(
        self, max_length: int, on_waiting: Callable[[Waiting], None] | None = None
    ) -> InferenceSession:
        """A session with a cache for up to `max_length` tokens; use it in a `with` block."""
        return InferenceSession(self.client, self.start, self.end, max_length, on_waiting)

    def load_session(self, path: str | Path, on_waiting: Callable[[Waiting], None] | None = None) -> InferenceSession:
        """Go on with a session that `session.save` wrote; use it in a `with` block.

        Raises:
            OSError: the file cannot be read.
            UsageError: it holds no session, or one of another model or of other layers.
        """
        return InferenceSession.load(self.client, (self.start, self.end), path, on_waiting)

    def forward(
        self,
        hidden: torch.Tensor,
        position_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Take `hidden` [B, T, D] through the layers; returns [B, T, D].

        Args:
            hidden: floating point, on any device; gradients flow back to it.
            position_ids: [B, T] or [1, T]; by default 0, 1, …, T - 1.
            attention_mask: [B, T], zero or false for padding; by default nothing is padded.

        Raises:
            LayersMissingError, ServerLostError, ServerRefusedError: the swarm failed, more than `max_retries` times.
            UsageError: no server takes so many tokens at once.
        """
        batch, tokens, _width = hidden.shape
        extras: dict[str, torch.Tensor] = {}
        if position_ids is not None:
            extras["position_ids"] = position_ids.to(torch.int64).expand(batch, tokens)
        if attention_mask is not None and not bool(attention_mask.bool().all()):
            extras["attention_mask"] = attention_mask.bool()
        output: torch.Tensor = _RemoteForward.apply(hidden, self, extras)  # type: ignore[no-untyped-call]
        return output

    def run_forward(self, hidden: torch.Tensor, extras: Tensors) -> tuple[torch.Tensor, OpenPass]:
        """Forward through a new chain, which stays open for `run_backward`."""
        return self.client.wait_for(self._forward(hidden, extras))

    def run_backward(self, done: OpenPass, grad: torch.Tensor, extras: Tensors) -> torch.Tensor:
        """The gradient with respect to what entered `done`."""
        return self.client.wait_for(done.chain.backward(grad, extras))

    async def _forward(self, hidden: torch.Tensor, extras: Tensors) -> tuple[torch.Tensor, OpenPass]:
        batch, tokens, _width = hidden.shape
        chain = await self.client.open_chain(self.start, self.end, batch, tokens)
        try:
            output = await chain.forward(hidden, extras)
        except BaseException:
            await chain.aclose()
            raise
        return output, OpenPass(self.client.loop, chain)


class OpenPass:
    """A forward pass whose chain is still open; it is closed when nobody can ask for the gradient any more.

    The chain knows what entered each leg but not the output: autograd's graph would then hold itself for ever.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, chain: Chain) -> None:
        self.chain = chain
        weakref.finalize(self, _close_later, loop, chain).atexit = False


def _close_later(loop: asyncio.AbstractEventLoop, chain: Chain) -> None:
    if loop.is_running():
        asyncio.run_coroutine_threadsafe(chain.aclose(), loop)


class _RemoteForward(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: torch.Tensor, remote: RemoteSequential, extras: Tensors) -> torch.Tensor:
        output, done = remote.run_forward(hidden, extras)
        if hidden.requires_grad:
            ctx.remote, ctx.done, ctx.extras = remote, done, extras
        return output

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        return ctx.remote.run_backward(ctx.done, grad, ctx.extras), None, None
