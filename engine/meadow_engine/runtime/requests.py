"""What one client's requests do to the span: its cache and its stateless passes.

Threads: every method runs on the compute thread, but for `accepts`, which only looks at numbers, and the constructor,
which only arranges modules. Tensors come from the wire on the CPU and go back to the CPU.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch

from meadow_client.errors import BrokenFrameError
from meadow_client.wire.messages import TensorName
from meadow_engine.runtime.span import Span

Tensors = Mapping[TensorName, torch.Tensor]


class ClientState:
    """One client's view of a span's layers [start, end) and, in a session, its cache."""

    def __init__(self, span: Span, start: int, end: int) -> None:
        self._device = span.device
        self._view = span.view(start, end)
        self._cache = self._view.new_cache()
        self._batch = 0
        self.position = 0

    def accepts(self, batch: int, position: int) -> bool:
        """Whether a step of so many sequences may begin at this position: no gap, and no other batch than before."""
        return position == 0 or (position <= self.position and batch == self._batch)

    def step(self, position: int, tensors: Tensors) -> torch.Tensor:
        """Continue the session at `position`; 0 begins anew. Takes and gives [B, T, D]."""
        beams = tensors.get("beam_idx")
        if beams is not None and not bool(((beams >= 0) & (beams < tensors["hidden"].shape[0])).all()):
            raise BrokenFrameError("The beam order names sequences that are not there")
        moved = self._moved(tensors)
        hidden = moved.pop("hidden")
        if position == 0:
            self._cache, self._batch = self._view.new_cache(), hidden.shape[0]
        output = self._view.step(hidden, self._cache, position, **moved).to("cpu")
        self.position = position + hidden.shape[1]
        return output

    def forward(self, tensors: Tensors) -> torch.Tensor:
        """Run the layers on [B, T, D] without a cache."""
        with torch.inference_mode():
            return self._view.forward(**self._moved(tensors)).to("cpu")

    def backward(self, tensors: Tensors) -> torch.Tensor:
        """The gradient [B, T, D] with respect to `hidden`, from `grad` with respect to the output."""
        return self._view.backward(**self._moved(tensors)).to("cpu")

    def _moved(self, tensors: Tensors) -> dict[str, torch.Tensor]:
        return {name: tensor.to(self._device) for name, tensor in tensors.items()}
