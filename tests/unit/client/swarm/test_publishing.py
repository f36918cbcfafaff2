"""Records are put where readers look; renewals go straight there, and new places are found when one is gone."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from hivemind.dht.routing import DHTID
from hivemind.utils import MSGPackSerializer

from fakes.clock import FakeClock
from meadow_client.swarm.publishing import REPLICAS, Publisher

KEYS = ["model", "all"]


@dataclass
class FakeDHT:
    """Ten nodes, the nearest first; `gone` ones do not answer, `refusing` ones say no."""

    peer_id: str = "me"
    nodes: list[str] = field(default_factory=lambda: [f"n{index}" for index in range(10)])
    gone: set[str] = field(default_factory=set)
    refusing: set[str] = field(default_factory=set)
    blacklist: set[str] = field(default_factory=set)
    searches: int = 0
    stored: dict[str, dict[DHTID, bytes]] = field(default_factory=dict)
    calls: int = 0

    @property
    def protocol(self) -> Any:
        validator = SimpleNamespace(sign_value=lambda record: record.value)
        storage = SimpleNamespace(store_subkey=lambda key, _owner, value, _expiry: self._keep("me", key, value))
        return SimpleNamespace(
            serializer=MSGPackSerializer, record_validator=validator, storage=storage, call_store=self._call_store
        )

    async def find_nearest_nodes(self, queries: list[DHTID], k_nearest: int, beam_size: int) -> Any:
        """As hivemind's: who does not answer is found all the same, but not by the next search."""
        self.searches += 1
        nearest = [node for node in self.nodes if node not in self.blacklist][:k_nearest]
        self.blacklist |= self.gone & set(nearest)
        return {query: {node: node for node in nearest} for query in queries}

    async def _call_store(
        self, peer: str, keys: list[DHTID], values: list[bytes], expiries: list[float], subkeys: list[str]
    ) -> list[bool] | None:
        assert len(keys) == len(values) == len(expiries) == len(subkeys)
        self.calls += 1
        if peer in self.gone | self.refusing:
            return None
        return [self._keep(peer, key, value) for key, value in zip(keys, values, strict=True)]

    def _keep(self, peer: str, key: DHTID, value: bytes) -> bool:
        self.stored.setdefault(peer, {})[key] = value
        return True

    def keepers_of(self, value: bytes) -> list[str]:
        wanted = {DHTID.generate(source=key): MSGPackSerializer.dumps(value) for key in KEYS}
        return sorted(peer for peer, records in self.stored.items() if records == wanted)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


async def publish(publisher: Publisher, dht: FakeDHT, value: bytes, **options: Any) -> bool:
    node: Any = dht
    return await publisher.publish(node, KEYS, value, 1.0, **options)


async def test_a_record_goes_to_the_nearest_nodes_both_keys_in_one_message(clock: FakeClock) -> None:
    dht = FakeDHT()
    assert await publish(Publisher("owner", clock), dht, b"1")
    assert dht.keepers_of(b"1") == ["n0", "n1", "n2", "n3", "n4"]
    assert (dht.calls, dht.searches) == (REPLICAS, 1)


async def test_renewals_go_straight_to_the_keepers_for_a_minute(clock: FakeClock) -> None:
    dht, publisher = FakeDHT(), Publisher("owner", clock)
    for value in (b"1", b"2", b"3", b"4"):
        assert await publish(publisher, dht, value)
        clock.advance(15)
    assert dht.searches == 1
    dht.nodes.insert(0, "nearer")
    assert await publish(publisher, dht, b"5")
    assert dht.searches == 2
    assert dht.keepers_of(b"5") == ["n0", "n1", "n2", "n3", "nearer"]


async def test_when_a_keeper_is_gone_others_take_its_place_at_once(clock: FakeClock) -> None:
    dht, publisher = FakeDHT(), Publisher("owner", clock)
    await publish(publisher, dht, b"1")
    dht.gone = {"n1", "n2"}
    assert await publish(publisher, dht, b"2")
    assert {"n0", "n3", "n4", "n5", "n6"} <= set(dht.keepers_of(b"2"))


async def test_many_dead_nodes_before_the_living_are_searched_through(clock: FakeClock) -> None:
    dead = [f"dead-{index}" for index in range(20)]
    dht = FakeDHT(nodes=[*dead, "a", "b", "c"], gone=set(dead))
    assert await publish(Publisher("owner", clock), dht, b"1")
    assert dht.keepers_of(b"1") == ["a", "b", "c"]


async def test_who_refuses_a_record_does_not_count_as_one_that_keeps_it(clock: FakeClock) -> None:
    dht = FakeDHT(refusing={"n0", "n1", "n2"})
    assert await publish(Publisher("owner", clock), dht, b"1")
    assert dht.keepers_of(b"1") == ["n3", "n4", "n5", "n6", "n7"]


async def test_one_of_the_nearest_may_be_this_node_itself(clock: FakeClock) -> None:
    dht = FakeDHT()
    dht.nodes.insert(2, "me")
    assert await publish(Publisher("owner", clock), dht, b"1")
    assert dht.keepers_of(b"1") == ["me", "n0", "n1", "n2", "n3"]


async def test_a_withdrawal_reaches_earlier_keepers_and_the_nearest_now(clock: FakeClock) -> None:
    dht, publisher = FakeDHT(), Publisher("owner", clock)
    await publish(publisher, dht, b"1")
    dht.nodes.insert(0, "nearer")
    assert await publish(publisher, dht, b"gone", must_search=True)
    assert {"nearer", "n0", "n1", "n2", "n3", "n4"} <= set(dht.keepers_of(b"gone"))


async def test_when_nobody_takes_it_the_caller_hears_so_and_the_next_time_is_a_new_search(clock: FakeClock) -> None:
    dht, publisher = FakeDHT(), Publisher("owner", clock)
    nodes, dht.nodes = dht.nodes, []
    assert not await publish(publisher, dht, b"1")
    dht.nodes = nodes
    assert await publish(publisher, dht, b"2")
    assert len(dht.keepers_of(b"2")) == REPLICAS
