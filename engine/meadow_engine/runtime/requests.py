"""What one client's requests do to the span: its cache and its stateless passes.

Shapes: B sequences, T new tokens, P tokens already cached, D model width.

Threads: methods run on the compute thread, but for those that say otherwise. Tensors come from the wire on the CPU and
go back to the CPU.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from meadow_client.errors import BrokenFrameError, MeadowError
from meadow_client.session.codec import unpack
from meadow_client.wire.messages import TensorName
from meadow_engine.runtime.caches import PAGE_TOKENS, SessionCache, capacity_for, move_cache
from meadow_engine.runtime.packing import PackingRefusedError, Part
from meadow_engine.runtime.span import Span, SpanView

Tensors = Mapping[TensorName, torch.Tensor]

log = logging.getLogger(__name__)


class SessionState:
    """One session's view of a span's layers [start, end) and its cache."""

    def __init__(self, span: Span, start: int, end: int) -> None:
        self.view: SpanView = span.view(start, end)
        self.group = (start, end)
        self.is_away = False
        """Whether the cache lies in host memory."""
        self._device, self._dtype = span.device, span.dtype
        self._page_shapes = span.page_shapes[start - span.start : end - span.start]
        self._cache = self.view.new_cache()
        self._capacity = 0

    def pages_for(self, rows: int, position: int, tokens: int) -> int:
        """How many pages the cache will have after a step of `tokens` tokens at `position`. Event loop."""
        if position == 0:
            self._capacity = 0
        self._capacity = capacity_for(position + tokens, self._capacity)
        return rows * (self._capacity // PAGE_TOKENS)

    def move_out(self) -> None:
        """Move the cache to host memory."""
        move_cache(self._cache, torch.device("cpu"))
        if isinstance(self._cache, SessionCache):
            self._capacity = self._cache.capacity
        self.is_away = True

    def move_back(self) -> None:
        move_cache(self._cache, self._device)
        self.is_away = False

    @property
    def layers(self) -> int:
        """How many layers have pages that another server can take; 0 where caches are of other kinds."""
        return len(self._page_shapes)

    def read_pages(self, first: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Keys and values [B, H, T, K] of each layer from token `first` on, on the CPU."""
        if not isinstance(self._cache, SessionCache):
            return []
        end = min((layer.length for layer in self._cache.layers), default=0)
        return [layer.read(first, end) for layer in self._cache.layers] if first < end else []

    def write_pages(self, layer: int, position: int, keys: torch.Tensor, values: torch.Tensor) -> None:
        """Take a part of one layer's cache from another server; memory for it was reserved before.

        Raises:
            BrokenFrameError: these layers have other heads.
        """
        if not isinstance(self._cache, SessionCache) or layer >= len(self._page_shapes):
            raise BrokenFrameError("There is no such layer, or it takes no pages")
        found = (keys.shape[1], keys.shape[3], values.shape[3])
        if found != self._page_shapes[layer] or values.shape[1] != keys.shape[1]:
            raise BrokenFrameError("Pages do not have the heads of this layer")
        self._cache.grow_to(max(self._capacity, position + keys.shape[2]))
        with torch.inference_mode():
            moved = [tensor.to(self._device, self._dtype) for tensor in (keys, values)]
            self._cache.layer(layer).write(position, *moved)

    def drop_cache(self) -> None:
        """Give the cache's memory back."""
        self._cache = self.view.new_cache()

    def prepare(self, work: SessionWork) -> Part:
        """Make the cache ready for a piece of work and its tensors ready for the device."""
        moved = {name: tensor.to(self._device, non_blocking=True) for name, tensor in work.tensors.items()}
        beams = moved.pop("beam_idx", None)
        if beams is not None and not bool(((beams >= 0) & (beams < moved["hidden"].shape[0])).all()):
            raise BrokenFrameError("The beam order names sequences that are not there")
        hidden = unpack(moved, self._dtype, self._device)
        if self.is_away:
            self.move_back()
        if work.position == 0:
            self._cache = self.view.new_cache()
        else:
            self.view.prepare(self._cache, work.position, beams)
        if isinstance(self._cache, SessionCache):
            # What was reserved for the whole step, at once: growing by parts would end at more.
            self._cache.grow_to(max(self._capacity, work.position + hidden.shape[1]))
        return Part(self._cache, hidden, work.position, moved.get("position_ids"), moved.get("attention_mask"))

    def step(self, part: Part) -> torch.Tensor:
        """The plain path: this session alone."""
        return self.view.step(part.hidden, part.cache, part.position, part.position_ids, part.attention_mask)


@dataclass(frozen=True)
class SessionWork:
    """A piece of a step: `tensors` as in `wire/messages.py`, at token `position`."""

    state: SessionState
    position: int
    tensors: Tensors


def run_works(works: Sequence[SessionWork]) -> list[torch.Tensor | Exception]:
    """One pass over the weights for all these pieces of work, of sessions of one group; [B, T, D] on the CPU for each.

    A session that fails does not fail the others: after a failed pass every session runs by itself.
    """
    with torch.inference_mode():
        return _run_works(works)


def _run_works(works: Sequence[SessionWork]) -> list[torch.Tensor | Exception]:
    parts: list[Part | Exception] = []
    for work in works:
        try:
            parts.append(work.state.prepare(work))
        except (MeadowError, RuntimeError, ValueError, IndexError, TypeError, KeyError) as error:
            parts.append(error)
    ready = [(index, part) for index, part in enumerate(parts) if isinstance(part, Part)]
    outputs: list[torch.Tensor | Exception] = [part if isinstance(part, Exception) else _NOTHING for part in parts]
    view = works[0].state.view
    # One token alone goes faster without the packing.
    is_alone = len(ready) == 1 and ready[0][1].hidden.shape[:2] == (1, 1)
    if view.can_pack and ready and not is_alone:
        try:
            for (index, _part), output in zip(ready, view.step_together([part for _, part in ready]), strict=True):
                outputs[index] = output
            return [output.to("cpu") if isinstance(output, torch.Tensor) else output for output in outputs]
        except PackingRefusedError:
            log.info("A packed pass was refused; its sessions run one at a time")
        except (RuntimeError, ValueError, IndexError, TypeError, KeyError) as error:
            if len(ready) == 1:
                outputs[ready[0][0]] = error
                return outputs
    for index, part in ready:
        try:
            outputs[index] = works[index].state.step(part).to("cpu")
        except (RuntimeError, ValueError, IndexError, TypeError, KeyError) as error:
            outputs[index] = error
    return outputs


_NOTHING = torch.empty(0)


class StatelessState:
    """One client's stateless passes through layers [start, end)."""

    def __init__(self, span: Span, start: int, end: int) -> None:
        self._device = span.device
        self._view = span.view(start, end)

    def forward(self, tensors: Tensors) -> torch.Tensor:
        """Run the layers on [B, T, D] without a cache."""
        with torch.inference_mode():
            return self._view.forward(**self._moved(tensors)).to("cpu")

    def backward(self, tensors: Tensors) -> torch.Tensor:
        """The gradient [B, T, D] with respect to `hidden`, from `grad` with respect to the output."""
        return self._view.backward(**self._moved(tensors)).to("cpu")

    def _moved(self, tensors: Tensors) -> dict[str, torch.Tensor]:
        return {name: tensor.to(self._device) for name, tensor in tensors.items()}
