"""A way is measured when it is asked for, remembered for half a minute, and unknown where nobody answers."""

from __future__ import annotations

import asyncio

from tests.fakes.virtual_time import in_virtual_time

from meadow_client.swarm.trips import FRESH_S, LOOK_S, Trips


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


class Swarm:
    """Peers that take `answer_s` seconds to answer, in the loop's time; those who are dead never do."""

    def __init__(self, living: list[str], answer_s: float = 0.02) -> None:
        self.living = living
        self.answer_s = answer_s
        self.pings: list[str] = []
        self.under_way = self.most_under_way = 0

    async def ping(self, peer: str) -> bool:
        self.pings.append(peer)
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            await (asyncio.sleep(self.answer_s) if peer in self.living else asyncio.Event().wait())
        finally:
            self.under_way -= 1
        return True

    def trips(self) -> Trips:
        return Trips(self.ping, now_s)


def now_s() -> float:
    return asyncio.get_running_loop().time()


def many(name: str, count: int) -> list[str]:
    return [f"{name}-{index}" for index in range(count)]


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


@in_virtual_time
async def test_a_hundred_dead_peers_hide_none_of_the_living() -> None:
    living, dead = ["anna", "ben", "cora"], many("dead", 100)
    swarm = Swarm(living)
    trips = swarm.trips()
    begun_s = now_s()
    assert set(await trips.to([*dead, *living])) == set(living)
    assert now_s() - begun_s <= LOOK_S

    begun_s, pings = now_s(), len(swarm.pings)
    assert set(await trips.to([*dead, *living])) == set(living)
    assert (now_s() - begun_s, len(swarm.pings) - pings) == (0, 0)


@in_virtual_time
async def test_a_look_ends_in_time_and_the_next_one_measures_whom_it_did_not_reach() -> None:
    dead = many("dead", 500)
    swarm = Swarm(["anna"])
    trips = swarm.trips()
    begun_s = now_s()
    assert await trips.to([*dead, "anna"]) == {}
    assert now_s() - begun_s <= LOOK_S
    assert set(await trips.to([*dead, "anna"])) == {"anna"}
    assert now_s() - begun_s <= 2 * LOOK_S


@in_virtual_time
async def test_a_large_swarm_that_answers_is_not_asked_all_at_once() -> None:
    living = many("there", 300)
    swarm = Swarm(living, answer_s=0.1)
    assert set(await swarm.trips().to(living)) == set(living)
    assert swarm.most_under_way <= 32


@in_virtual_time
async def test_all_who_ask_at_the_same_time_get_the_same_measurement() -> None:
    swarm = Swarm(["anna", "ben", "cora"])
    trips = swarm.trips()
    async with asyncio.TaskGroup() as group:
        first = group.create_task(trips.to(["anna", "ben"]))
        second = group.create_task(trips.to(["ben", "cora"]))
    assert (set(first.result()), set(second.result())) == ({"anna", "ben"}, {"ben", "cora"})
    assert sorted(swarm.pings) == ["anna", "anna", "ben", "ben", "cora", "cora"]


@in_virtual_time
async def test_when_the_first_who_asked_goes_away_the_second_still_gets_an_answer() -> None:
    swarm = Swarm(["anna"], answer_s=0.4)
    trips = swarm.trips()
    async with asyncio.TaskGroup() as group:
        first = group.create_task(trips.to(["anna"]))
        second = group.create_task(trips.to(["anna"]))
        await asyncio.sleep(0.1)
        first.cancel()
    assert set(second.result()) == {"anna"}


@in_virtual_time
async def test_a_way_that_another_call_measures_anew_is_still_known_to_the_one_who_waits() -> None:
    swarm = Swarm(["anna"])
    trips = swarm.trips()
    await trips.to(["anna"])
    await asyncio.sleep(FRESH_S - 1)
    swarm.living.remove("anna")
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(trips.to(["anna", "dead"]))
        await asyncio.sleep(1.5)  # anna's way is old by now
        anew = group.create_task(trips.to(["anna"]))
    assert (set(waiting.result()), anew.result()) == ({"anna"}, {})
