"""What was computed for a text is kept for a while, in order that the next question that begins with it finds it.

Decides only: items are sessions to others, and whoever puts them here closes those that fall off. Any thread may call.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

MOST = 8
KEEP_S = 120.0
LEAST_TOKENS = 32

_T = TypeVar("_T")


@dataclass(frozen=True, eq=False)
class _Kept(Generic[_T]):
    item: _T
    ids: tuple[int, ...]
    since_s: float


class Shelf(Generic[_T]):
    """Items by the token ids of their texts."""

    def __init__(
        self,
        most: int = MOST,
        keep_s: float = KEEP_S,
        clock: Callable[[], float] = time.monotonic,
        *,
        can_forget: bool = True,
    ) -> None:
        """Keep at most `most` items, each for `keep_s`; `can_forget`: whether a text's end can be taken back."""
        self._most = most
        self._keep_s = keep_s
        self._clock = clock
        self._can_forget = can_forget
        self._lock = threading.Lock()
        self._kept: list[_Kept[_T]] = []  # the one that was put first is first
        self._is_closed = False

    def __len__(self) -> int:
        return len(self._kept)

    def put(self, ids: Sequence[int], item: _T) -> list[_T]:
        """Keep an item; gives those that fall off, which is this one itself once the shelf is closed."""
        with self._lock:
            if self._is_closed:
                return [item]
            self._kept.append(_Kept(item, tuple(ids), self._clock()))
            surplus = len(self._kept) - self._most
            fallen = [kept.item for kept in self._kept[: max(0, surplus)]]
            self._kept = self._kept[max(0, surplus) :]
        return fallen + self.expire()

    def take(self, ids: Sequence[int]) -> tuple[_T, int] | None:
        """The item whose text helps most with this one, and how many of its tokens that saves; or None.

        It is the caller's from now on.
        """
        asked = tuple(ids)
        with self._lock:
            best, saved = None, 0
            for kept in self._kept:
                if self._left_s(kept) <= 0:
                    continue
                common = common_tokens(kept.ids, asked[:-1])  # the last token has to be computed anyway
                is_possible = self._can_forget or common == len(kept.ids)
                # Among equals the shortest: less is lost for whoever else goes on with the others.
                is_better = common > saved or (best is not None and common == saved and len(kept.ids) < len(best.ids))
                if is_possible and is_better and is_worth(common, len(kept.ids), len(asked)):
                    best, saved = kept, common
            if best is None:
                return None
            self._kept.remove(best)
            return best.item, saved

    def expire(self) -> list[_T]:
        """What has been here for too long falls off."""
        with self._lock:
            fallen = [kept for kept in self._kept if self._left_s(kept) <= 0]
            self._kept = self._kept[len(fallen) :]
        return [kept.item for kept in fallen]

    def next_s(self) -> float | None:
        """Seconds until something falls off; None while nothing is here."""
        with self._lock:
            return max(0.0, self._left_s(self._kept[0])) if self._kept else None

    def close(self) -> list[_T]:
        """Everything falls off, and nothing is kept any more."""
        with self._lock:
            self._is_closed = True
            fallen, self._kept = self._kept, []
        return [kept.item for kept in fallen]

    def _left_s(self, kept: _Kept[_T]) -> float:
        return kept.since_s + self._keep_s - self._clock()


def is_worth(common: int, kept: int, asked: int) -> bool:
    """Whether a session of `kept` tokens helps with `asked` tokens of which it knows the first `common`."""
    return common >= LEAST_TOKENS and 2 * common >= min(kept, asked)


def common_tokens(one: Sequence[int], other: Sequence[int]) -> int:
    """How many tokens are the same at the beginning of two texts of one type (tuples, lists)."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
