"""A way is measured when it is asked for, remembered for half a minute, and unknown where nobody answers."""

from __future__ import annotations

import asyncio

from meadow_client.swarm.trips import FRESH_S, Trips


class Far:
    """Peers at a distance in seconds; the first ping connects, which takes longer."""

    def __init__(self, **distances_s: float) -> None:
        self.now_s = 100.0
        self.distances_s = distances_s
        self.pings: list[str] = []

    async def ping(self, peer: str) -> bool:
        is_first = peer not in self.pings
        self.pings.append(peer)
        if peer not in self.distances_s:
            return False
        self.now_s += self.distances_s[peer] * (5 if is_first else 1)
        return True


async def test_the_way_without_connecting_is_what_counts() -> None:
    far = Far(anna=0.02)
    trips = Trips(far.ping, lambda: far.now_s)
    assert round((await trips.to(["anna"]))["anna"], 6) == 0.02


async def test_a_known_way_is_not_measured_again_for_a_while() -> None:
    far = Far(anna=0.02)
    trips = Trips(far.ping, lambda: far.now_s)
    await trips.to(["anna"])
    await trips.to(["anna"])
    assert far.pings == ["anna", "anna"]
    far.now_s += FRESH_S
    await trips.to(["anna"])
    assert len(far.pings) == 4


async def test_who_does_not_answer_has_no_way_and_is_not_asked_at_every_look() -> None:
    far = Far(anna=0.02)
    trips = Trips(far.ping, lambda: far.now_s)
    assert set(await trips.to(["anna", "gone"])) == {"anna"}
    await trips.to(["gone"])
    assert far.pings.count("gone") == 1


async def test_one_who_is_silent_holds_nobody_up_for_long() -> None:
    async def ping(peer: str) -> bool:
        if peer == "silent":
            await asyncio.Event().wait()
        return True

    async with asyncio.timeout(10):
        assert set(await Trips(ping).to(["anna", "silent"])) == {"anna"}
