"""How long a message takes to other peers and back: measured with pings, remembered for a while. On the event loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

FRESH_S = 30.0
_PATIENCE_S = 2.0
_AT_ONCE = 8
# The first ping may have to connect; the second one says how long the way is.
_PINGS = 2


@dataclass(frozen=True)
class _Trip:
    seconds: float | None
    measured_s: float


class Trips:
    """`ping(peer)` says whether the peer answered."""

    def __init__(self, ping: Callable[[str], Awaitable[bool]], clock: Callable[[], float] = time.monotonic) -> None:
        self._ping = ping
        self._clock = clock
        self._known: dict[str, _Trip] = {}
        self._slots = asyncio.Semaphore(_AT_ONCE)

    async def to(self, peers: Iterable[str]) -> dict[str, float]:
        """Seconds there and back for each peer that answered within half a minute, or does now."""
        wanted = set(peers)
        now_s = self._clock()
        self._known = {peer: trip for peer, trip in self._known.items() if now_s - trip.measured_s < FRESH_S}
        async with asyncio.TaskGroup() as group:
            for peer in wanted - self._known.keys():
                group.create_task(self._measure(peer))
        known = {peer: self._known[peer].seconds for peer in wanted}
        return {peer: seconds for peer, seconds in known.items() if seconds is not None}

    async def _measure(self, peer: str) -> None:
        seconds: float | None = None
        async with self._slots:
            try:
                async with asyncio.timeout(_PATIENCE_S):
                    for _ping in range(_PINGS):
                        begun_s = self._clock()
                        if not await self._ping(peer):
                            break
                        seconds = self._clock() - begun_s
            except TimeoutError:
                pass
        self._known[peer] = _Trip(seconds, self._clock())
