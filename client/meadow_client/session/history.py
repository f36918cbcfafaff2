"""What entered a span, kept so that another server can be given it: a session's history in host memory.

Holds whatever a step carries for each token: hidden states as they travelled (int8 with their scales, too), or the
token ids they were made of. Rolling back and reordering rows (beam search) apply to what is kept as they do to caches.

Shapes: B sequences, P tokens kept, T new tokens, D model width.

    ids              [B, T]      int64
    hidden           [B, T, D]   floating point or int8
    scale            [B, T]      float32, beside int8
    position_ids     [B, T]      int64
    attention_mask   [B, P + T]  bool; the latest one stands for all
    beam_idx         [B]         int64; the rows kept so far are taken in this order first

Rows are reordered without moving them: for every kept token and row, `origin` says in which row of the memory it lies.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch

_SPARE_TOKENS = 64
_BY_TOKEN = ("ids", "hidden", "scale", "position_ids")

Kept = Mapping[Any, torch.Tensor]
"""Tensors by their names, as above."""


class History:
    """Tokens 0 … `tokens` - 1 of a session."""

    def __init__(self) -> None:
        self._blocks: list[_Block] = []
        self._mask: torch.Tensor | None = None
        self.order = 0
        """The number of the latest reordering of rows that is in here (`Step.order`)."""

    @property
    def tokens(self) -> int:
        return self._blocks[-1].end if self._blocks else 0

    @property
    def nbytes(self) -> int:
        return sum(block.nbytes for block in self._blocks)

    def put(self, position: int, tensors: Kept, order: int = 0) -> None:
        """Keep a step's tokens from `position` on, after rolling back to it and reordering the rows.

        Raises:
            ValueError: `position` leaves a gap.
        """
        if position > self.tokens:
            raise ValueError(f"a history of {self.tokens} tokens cannot go on at {position}")
        self.truncate(position)
        beams = tensors.get("beam_idx")
        if beams is not None and order > self.order:
            for block in self._blocks:
                block.reorder(beams)
        self.order = max(order, self.order)
        self._mask = tensors.get("attention_mask")
        by_token = {name: tensors[name] for name in _BY_TOKEN if name in tensors}
        if not self._blocks or not self._blocks[-1].takes(by_token):
            self._blocks.append(_Block(position, by_token))
        self._blocks[-1].append(by_token)

    def truncate(self, position: int) -> None:
        """Forget what lies at `position` and behind it."""
        while self._blocks and self._blocks[-1].start >= position:
            self._blocks.pop()
        if self._blocks:
            self._blocks[-1].truncate(position)
        if self._mask is not None:
            self._mask = self._mask[:, :position]

    def pieces(self, end: int, piece_tokens: int, first: int = 0) -> Iterator[tuple[int, dict[str, torch.Tensor]]]:
        """Tokens [first, end) as steps of at most `piece_tokens` tokens, each with its position."""
        blocks, mask = list(self._blocks), self._mask  # somebody may clear this meanwhile
        for block in blocks:
            position = max(first, block.start)
            while position < min(end, block.end):
                last = min(position + piece_tokens, end, block.end)
                piece = block.read(position, last)
                if mask is not None:
                    piece["attention_mask"] = mask[:, :last]
                yield position, piece
                position = last

    def clear(self) -> None:
        self._blocks.clear()
        self._mask = None


class _Block:
    """Consecutive tokens that carry tensors of the same names and dtypes."""

    def __init__(self, start: int, like: Kept) -> None:
        self.start = start
        self._length = 0
        self._memory = {
            name: tensor.new_empty((tensor.shape[0], 0, *tensor.shape[2:])) for name, tensor in like.items()
        }
        self._origin: torch.Tensor | None = None
        """[B, capacity] of int64, or None while nothing was reordered."""

    @property
    def end(self) -> int:
        return self.start + self._length

    @property
    def nbytes(self) -> int:
        return sum(memory.nbytes for memory in self._memory.values())

    def takes(self, tensors: Kept) -> bool:
        if tensors.keys() != self._memory.keys():
            return False
        return all(
            memory.dtype == tensors[name].dtype and memory.shape[0] == tensors[name].shape[0]
            for name, memory in self._memory.items()
        )

    def append(self, tensors: Kept) -> None:
        tokens = next(iter(tensors.values())).shape[1]
        end = self._length + tokens
        self._grow_to(end)
        for name, tensor in tensors.items():
            self._memory[name].narrow(1, self._length, tokens).copy_(tensor)
        if self._origin is not None:
            self._origin[:, self._length : end] = torch.arange(self._origin.shape[0]).unsqueeze(1)
        self._length = end

    def truncate(self, position: int) -> None:
        self._length = min(self._length, position - self.start)

    def reorder(self, order: torch.Tensor) -> None:
        rows = torch.arange(order.shape[0])
        if torch.equal(order, rows):
            return
        if self._origin is None:
            capacity = next(iter(self._memory.values())).shape[1]
            self._origin = rows.unsqueeze(1).repeat(1, capacity)
        self._origin = self._origin[order]

    def read(self, first: int, last: int) -> dict[str, torch.Tensor]:
        begin, end = first - self.start, last - self.start
        if self._origin is None:
            return {name: memory[:, begin:end] for name, memory in self._memory.items()}
        columns = torch.arange(begin, end)
        return {name: memory[self._origin[:, begin:end], columns] for name, memory in self._memory.items()}

    def _grow_to(self, tokens: int) -> None:
        capacity = next(iter(self._memory.values())).shape[1]
        if tokens <= capacity:
            return
        capacity = max(tokens + _SPARE_TOKENS, capacity + capacity // 4)
        for name, memory in self._memory.items():
            grown = memory.new_empty((memory.shape[0], capacity, *memory.shape[2:]))
            grown.narrow(1, 0, self._length).copy_(memory.narrow(1, 0, self._length))
            self._memory[name] = grown
        if self._origin is not None:
            rows = torch.arange(self._origin.shape[0]).unsqueeze(1).repeat(1, capacity)
            rows[:, : self._length] = self._origin[:, : self._length]
            self._origin = rows
