"""How long a message takes to other peers and back: measured with pings, remembered for a while. On the event loop.

Peers are asked in batches. A batch is waited for a moment only: then the next one begins, and who is silent is waited
for beside it. So a hundred peers that have gone away hold up none of those that are there.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from weakref import WeakValueDictionary

FRESH_S = 30.0
LOOK_S = 3.0
_PATIENCE_S = 2.0
# 128 silent peers a second, so that some 256 are waited for at a time. In small batches, because pings that leave
# together wait for each other: of 32, the middle one takes 20 ms on loopback instead of 1 ms, of 8 it takes 3 ms.
_BATCH = 8
_BATCH_S = 1 / 16
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
        # A peer's lock lasts as long as somebody measures it or waits for that.
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def to(self, peers: Iterable[str]) -> dict[str, float]:
        """Seconds there and back for each peer that answered within half a minute, or does now.

        Returns within `LOOK_S` seconds. Whoever was not measured until then is left out, and measured in the next call.
        """
        wanted = list(dict.fromkeys(peers))
        now_s = self._clock()
        # Another call may forget a peer while this one waits: this call goes by what is known now.
        fresh = self._known = {peer: trip for peer, trip in self._known.items() if now_s - trip.measured_s < FRESH_S}
        await self._measure_within_a_look([peer for peer in wanted if peer not in fresh])
        known = {**fresh, **self._known}
        trips = {peer: known[peer].seconds for peer in wanted if peer in known}
        return {peer: seconds for peer, seconds in trips.items() if seconds is not None}

    async def _measure_within_a_look(self, peers: list[str]) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK_S), asyncio.TaskGroup() as group:
                for first in range(0, len(peers), _BATCH):
                    batch = [group.create_task(self._measure(peer)) for peer in peers[first : first + _BATCH]]
                    await asyncio.wait(batch, timeout=_BATCH_S)

    async def _measure(self, peer: str) -> None:
        """Make a peer known, or wait while another call does; if that one is cancelled, it is this one's turn."""
        turn = self._turns.setdefault(peer, asyncio.Lock())
        async with turn:
            if peer not in self._known:
                seconds = await self._ping_twice(peer)
                self._known[peer] = _Trip(seconds, self._clock())

    async def _ping_twice(self, peer: str) -> float | None:
        seconds: float | None = None
        with suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE_S):
                for _ping in range(_PINGS):
                    begun_s = self._clock()
                    if not await self._ping(peer):
                        break
                    seconds = self._clock() - begun_s
        return seconds
