"""Servers find each other through the directory, and strangers cannot speak for them.

Three peers in this process, on loopback: `host` serves, `reader` looks, `stranger` means harm.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from hivemind.dht.node import DHTNode
from hivemind.dht.routing import DHTID
from hivemind.dht.validation import DHTRecord
from hivemind.utils.timed_storage import get_dht_time

from fakes.clock import FakeClock
from meadow_client.identity import new_identity
from meadow_client.swarm import records
from meadow_client.swarm.directory import Announcement, Directory, Server
from meadow_client.swarm.link import Link
from meadow_client.swarm.node import LOOPBACK, SwarmNode

pytestmark = pytest.mark.asyncio(loop_scope="module")

Peers = tuple[SwarmNode, SwarmNode, SwarmNode]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def peers() -> AsyncIterator[Peers]:
    async with (
        SwarmNode.running(new_identity(), listen=LOOPBACK) as host,
        SwarmNode.running(new_identity(), host.address, listen=LOOPBACK) as stranger,
        SwarmNode.running(new_identity(), host.address, listen=None) as reader,
    ):
        yield host, reader, stranger


def announcement(model: str, start: int = 0, end: int = 4, name: str = "computer") -> Announcement:
    return Announcement(model, "demo", 8, 512, start, end, name, "0.1", "float32", 0.01)


def link_of(node: SwarmNode) -> Link:
    assert node._link is not None
    return node._link


def dht_of(node: SwarmNode) -> DHTNode:
    return link_of(node).dht


async def store(node: SwarmNode, model: str, subkey: str, value: bytes, life_s: float = 30.0) -> None:
    await dht_of(node).store(f"meadow/1/model/{model}", value, get_dht_time() + life_s, subkey=subkey)


async def test_a_peer_writes_its_id_as_libp2p_does(peers: Peers) -> None:
    for node in peers:
        assert link_of(node).p2p.peer_id.to_base58() == node.peer


async def test_a_node_that_listens_says_where_and_one_that_does_not_says_nothing(peers: Peers) -> None:
    host, reader, _stranger = peers
    assert host.address
    assert all(a.startswith("/ip4/127.0.0.1/tcp/") and a.endswith(f"/p2p/{host.peer}") for a in host.address)
    assert reader.address == []


async def test_a_server_is_found_by_its_model_until_it_withdraws(peers: Peers) -> None:
    host, reader, _stranger = peers
    said = announcement("first", 2, 5)
    assert await host.directory.announce(said)
    assert await reader.directory.servers("first") == [Server(host.peer, said)]
    assert await reader.directory.servers("second") == []
    assert Server(host.peer, said) in await reader.directory.all_servers()
    assert await host.directory.withdraw(said)
    assert await reader.directory.servers("first") == []
    assert await reader.directory.all_servers() == []


async def test_the_latest_word_of_a_server_counts(peers: Peers) -> None:
    host, reader, _stranger = peers
    await host.directory.announce(announcement("renewed", 0, 4))
    await host.directory.announce(announcement("renewed", 4, 8))
    assert [s.announced.start for s in await reader.directory.servers("renewed")] == [4]


async def test_several_servers_of_one_model_are_all_found(peers: Peers) -> None:
    host, reader, stranger = peers
    await host.directory.announce(announcement("shared", 0, 4))
    await stranger.directory.announce(announcement("shared", 4, 8))
    assert {s.peer for s in await reader.directory.servers("shared")} == {host.peer, stranger.peer}


async def test_a_record_under_another_peers_name_is_not_believed(peers: Peers) -> None:
    host, reader, stranger = peers
    forged = msgspec.msgpack.encode(announcement("forged", 0, 8))
    await store(stranger, "forged", host.peer, forged)
    await store(stranger, "forged", host.peer, forged + stranger.identity.sign(forged))
    assert await reader.directory.servers("forged") == []


async def test_a_record_under_another_peers_name_does_not_replace_the_true_one(peers: Peers) -> None:
    host, reader, stranger = peers
    said = announcement("defended")
    await host.directory.announce(said)
    forged = msgspec.msgpack.encode(announcement("defended", name="stranger"))
    await store(stranger, "defended", host.peer, forged + bytes(64), life_s=50.0)
    assert await reader.directory.servers("defended") == [Server(host.peer, said)]


async def test_a_forged_record_that_the_strangers_own_node_hands_out_is_not_believed(
    peers: Peers, monkeypatch: pytest.MonkeyPatch
) -> None:
    host, reader, stranger = peers
    monkeypatch.setattr(dht_of(stranger).protocol, "record_validator", None)
    forged = msgspec.msgpack.encode(announcement("handed", 0, 8))
    await store(stranger, "handed", host.peer, forged + bytes(64))
    assert await reader.directory.servers("handed") == []


async def test_a_record_that_pins_itself_for_a_day_is_not_stored(peers: Peers) -> None:
    _host, reader, stranger = peers
    await store(stranger, "pinned", stranger.peer, msgspec.msgpack.encode(announcement("pinned")), life_s=86_400)
    assert await reader.directory.servers("pinned") == []


def _with_invalid_text(model: str) -> bytes:
    return msgspec.msgpack.encode(announcement(model, name="nnnn")).replace(b"nnnn", b"\xff\xff\xff\xff")


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"hello",
        msgspec.msgpack.encode({"model": "odd"}),
        msgspec.msgpack.encode([1, 2, 3]),
        msgspec.msgpack.encode(announcement("odd", 4, 4)),
        msgspec.msgpack.encode(announcement("odd", 5, 4)),
        msgspec.msgpack.encode(announcement("odd", 4, 9)),
        msgspec.msgpack.encode(announcement("odd", name="n" * 300)),
        _with_invalid_text("odd"),
    ],
    ids=["empty", "no record", "members missing", "a list", "no layers", "backwards", "too many", "long", "no text"],
)
async def test_a_strange_record_hides_no_other(peers: Peers, value: bytes) -> None:
    host, reader, stranger = peers
    said = announcement("odd")
    await host.directory.announce(said)
    await store(stranger, "odd", stranger.peer, value)
    assert await reader.directory.servers("odd") == [Server(host.peer, said)]


class _LongForm:
    """Writes texts in msgpack's 16-bit form, where everybody else takes the shortest."""

    def __init__(self, usual: Any) -> None:
        self._usual = usual

    def dumps(self, value: object) -> bytes:
        if isinstance(value, str):
            return b"\xda" + len(value).to_bytes(2, "big") + value.encode()
        return bytes(self._usual.dumps(value))

    def loads(self, data: bytes) -> object:
        return self._usual.loads(data)


async def test_a_name_spelled_in_another_way_hides_no_other_record(
    peers: Peers, monkeypatch: pytest.MonkeyPatch
) -> None:
    host, reader, stranger = peers
    said = announcement("spelled")
    await host.directory.announce(said)
    protocol = dht_of(stranger).protocol
    protocol.storage.clear()  # the reader must ask the host
    monkeypatch.setattr(protocol, "serializer", _LongForm(protocol.serializer))
    await _store_at(host, stranger, "spelled")
    monkeypatch.undo()
    assert await reader.directory.servers("spelled") == [Server(host.peer, said)]


async def _store_at(host: SwarmNode, stranger: SwarmNode, model: str) -> None:
    """Send the host a record that is signed over its subkey as the stranger spells it."""
    protocol = dht_of(stranger).protocol
    key, expiry = DHTID.generate(source=f"meadow/1/model/{model}"), get_dht_time() + 30
    value = msgspec.msgpack.encode(announcement(model))
    subkey = protocol.serializer.dumps(stranger.peer)
    signed = protocol.record_validator.sign_value(DHTRecord(key.to_bytes(), subkey, value, expiry))
    await protocol.call_store(link_of(host).p2p.peer_id, [key], [signed], expiry, subkeys=[stranger.peer])


async def test_one_record_that_a_reader_does_not_believe_hides_no_other(
    peers: Peers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The host took the stranger's record just within its limit; the reader's clock is two seconds behind."""
    host, reader, stranger = peers
    said = announcement("late")
    await host.directory.announce(said)
    value = msgspec.msgpack.encode(announcement("late"))
    await store(stranger, "late", stranger.peer, value, life_s=records.MAX_LIFETIME_S - 1)
    monkeypatch.setattr(records, "get_dht_time", lambda: get_dht_time() - 2)
    assert Server(host.peer, said) in await reader.directory.servers("late")


async def test_what_was_read_a_moment_ago_is_given_again_without_asking(peers: Peers) -> None:
    host, reader, _stranger = peers
    clock = FakeClock()
    directory = Directory(reader.peer, clock)
    directory.use(dht_of(reader))
    said = announcement("cached")
    assert await directory.servers("cached", max_age_s=5.0) == []
    await host.directory.announce(said)
    here = [Server(host.peer, said)]
    assert await directory.servers("cached", max_age_s=5.0) == here, "that there is nobody is not remembered"
    await host.directory.withdraw(said)
    clock.advance(4)
    assert await directory.servers("cached", max_age_s=5.0) == here
    clock.advance(2)
    assert await directory.servers("cached", max_age_s=5.0) == []
    await host.directory.announce(said)
    assert await directory.servers("cached") == here
    await host.directory.withdraw(said)
    assert await directory.servers("cached") == [], "by default the swarm is asked"


async def test_a_withdrawn_record_is_not_announced_again(peers: Peers) -> None:
    host, reader, _stranger = peers
    first, second = announcement("left"), announcement("stays")
    await host.directory.announce(first)
    await host.directory.announce(second)
    await host.directory.withdraw(first)
    assert await host.directory.announce_again()
    assert await reader.directory.servers("left") == []
    assert Server(host.peer, second) in await reader.directory.servers("stays")


async def test_without_a_dht_node_nothing_is_announced_and_lookups_wait_for_the_next(peers: Peers) -> None:
    host, reader, _stranger = peers
    said = announcement("away")
    await host.directory.announce(said)
    directory = Directory(reader.peer)
    assert not await directory.announce(said)
    async with asyncio.TaskGroup() as group:
        lookup = group.create_task(directory.servers("away"))
        await asyncio.sleep(0)
        assert not lookup.done()
        directory.use(dht_of(reader))
    assert lookup.result() == [Server(host.peer, said)]
