"""The pages of one session's cache as messages, from the server that leaves to the one that takes over.

Shapes: B sequences, T tokens, H heads of width K.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from meadow_client.session.tensors import to_wire
from meadow_client.wire.checks import MAX_PAGES_BYTES
from meadow_client.wire.frames import Buffer
from meadow_client.wire.messages import Pages

if TYPE_CHECKING:
    import torch


def cut_pages(
    layers: Sequence[tuple[torch.Tensor, torch.Tensor]], first: int, epoch: int, order: int
) -> Iterator[tuple[Pages, list[Buffer]]]:
    """Keys and values [B, H, T, K] of every layer, which stand at token `first`, in messages of bounded size."""
    for index, (keys, values) in enumerate(layers):
        tokens = keys.shape[2]
        token_bytes = (keys.nbytes + values.nbytes) // tokens
        most = max(1, MAX_PAGES_BYTES // token_bytes)
        for begin in range(0, tokens, most):
            end = min(tokens, begin + most)
            headers, bodies = to_wire({"keys": keys[:, :, begin:end], "values": values[:, :, begin:end]})
            yield Pages(index, first + begin, first, first + tokens, headers, epoch, order), bodies


def is_first(pages: Pages) -> bool:
    """Whether these are the first of their tokens."""
    return pages.layer == 0 and pages.position == pages.first


def is_last(pages: Pages, layers: int) -> bool:
    """Whether nothing comes after these for a session of so many layers."""
    return pages.layer == layers - 1 and _end(pages) == pages.end


def goes_on(pages: Pages, before: Pages) -> bool:
    """Whether these follow others without a gap: their layer's next tokens, or the next layer's first ones."""
    if _common(pages) != _common(before):
        return False
    if _end(before) < before.end:
        return (pages.layer, pages.position) == (before.layer, _end(before))
    return (pages.layer, pages.position) == (before.layer + 1, before.first)


def _end(pages: Pages) -> int:
    return pages.position + pages.tensors[0].shape[2]


def _common(pages: Pages) -> tuple[int, ...]:
    return pages.first, pages.end, pages.epoch, pages.order, pages.tensors[0].shape[0]
