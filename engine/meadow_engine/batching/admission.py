"""Whose cache makes room when the memory for caches is full."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

# A session that stepped this recently is in the middle of an answer: moving it away would only move the wait.
RECENT_S = 2.0


@dataclass(frozen=True)
class Holder:
    """A session with `pages` pages on the device. `is_busy`: a step of it waits or runs."""

    session: Hashable
    pages: int
    priority: int
    idle_s: float
    is_busy: bool


def choose_spills(needed: int, free: int, host_free: int, holders: Sequence[Holder]) -> list[Hashable] | None:
    """The sessions whose pages move to host memory so that `needed` pages are free; None if that cannot be reached.

    The least urgent first: of the highest priority number, then the longest idle. As few as are needed.
    """
    chosen: list[Hashable] = []
    if needed <= free:
        return chosen
    movable = [holder for holder in holders if not holder.is_busy and holder.idle_s >= RECENT_S and holder.pages]
    for holder in sorted(movable, key=lambda holder: (-holder.priority, -holder.idle_s)):
        if holder.pages > host_free:
            continue
        chosen.append(holder.session)
        free += holder.pages
        host_free -= holder.pages
        if free >= needed:
            return chosen
    return None
