"""Which servers are left out of new chains because they failed, and until when. Pure; the caller has the clock.

A server that failed is avoided at once and comes back by itself: after FIRST_S, and after twice as long with every
further failure, MOST_S at most. Where nobody else holds its layers it is tried again after an eighth of that. For
FORGET_S, others that hold the same layers are preferred to it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

FIRST_S = 4.0
MOST_S = 120.0
FORGET_S = 600.0
_SAME_S = 0.4
_NEEDED_SHARE = 1 / 8


@dataclass(frozen=True)
class _Failures:
    count: int
    last_s: float
    pause_s: float


@dataclass
class Bans:
    """Failures of peers, by their ids. Times are seconds of one monotonic clock."""

    _failures: dict[str, _Failures] = field(default_factory=dict)

    def failed(self, peer: str, now_s: float) -> None:
        """A server failed. What several sessions see at the same time is one failure."""
        before = self._failures.get(peer)
        if before is not None and now_s - before.last_s < _SAME_S:
            return
        count = self.recent(peer, now_s) + 1
        pause_s = min(MOST_S, FIRST_S * 2.0 ** (count - 1))
        self._failures[peer] = _Failures(count, now_s, pause_s)

    def forgive(self, since_s: float) -> None:
        """What failed since then was not the servers' fault."""
        self._failures = {peer: failures for peer, failures in self._failures.items() if failures.last_s < since_s}

    def recent(self, peer: str, now_s: float) -> int:
        """How often a server failed lately."""
        failures = self._failures.get(peer)
        return failures.count if failures is not None and now_s - failures.last_s < FORGET_S else 0

    def banned(self, peers: Collection[str], now_s: float, *, is_needed: bool = False) -> set[str]:
        """Those of `peers` to leave out now; fewer where they are needed (`is_needed`)."""
        share = _NEEDED_SHARE if is_needed else 1.0
        found = {peer: self._failures[peer] for peer in peers if peer in self._failures}
        return {peer for peer, failures in found.items() if now_s < failures.last_s + failures.pause_s * share}
