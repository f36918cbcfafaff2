"""What this server's sessions sent to the servers after them, kept so that it can be sent again.

A bounded cache of what follows from the tokens anyway: when it is full, the session that was used least lately loses
what it kept, and would be computed again from its tokens. Event loop only.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from meadow_client.session.history import History, Kept


@dataclass(eq=False)
class Retained:
    """One session's outputs, as they were sent. `is_whole` if none of them is missing, `is_over` once it has ended."""

    history: History = field(default_factory=History)
    is_whole: bool = True
    is_over: bool = False


class Retention:
    """All that is retained, `limit_bytes` at most."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._kept: dict[Retained, int] = {}
        """Bytes of each, the least lately used first."""
        self.used_bytes = 0

    @contextmanager
    def retaining(self) -> Iterator[Retained]:
        """Room for what one session sends, given back when the block ends."""
        retained = Retained()
        self._kept[retained] = 0
        try:
            yield retained
        finally:
            retained.is_over = True
            self._forget(retained)

    def put(self, retained: Retained, position: int, tensors: Kept, order: int) -> None:
        """Keep what was sent for the tokens from `position` on; see `History.put`. Nothing once the session is over."""
        if retained.is_over:
            return
        if position == 0:
            retained.history.clear()
            retained.is_whole = True
        if position > retained.history.tokens:
            self._forget(retained)  # what came before was computed elsewhere
        if not retained.is_whole:
            return
        retained.history.put(position, tensors, order)
        self.used_bytes -= self._kept.pop(retained, 0)
        self._kept[retained] = retained.history.nbytes
        self.used_bytes += self._kept[retained]
        while self.used_bytes > self._limit_bytes:
            self._forget(next(iter(self._kept)))

    def _forget(self, retained: Retained) -> None:
        self.used_bytes -= self._kept.pop(retained, 0)
        retained.history.clear()
        retained.is_whole = False
