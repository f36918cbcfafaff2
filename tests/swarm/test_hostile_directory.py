"""A hostile node of the DHT, bound by no rule, cannot change, pin, hide or invent what other servers announce.

A running swarm of real DHT nodes on loopback. The hostile one checks nothing, signs what it likes, writes to every
other node directly, and answers lookups with whatever lies in its storage.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from hivemind.dht.node import DHTNode
from hivemind.dht.routing import DHTID
from hivemind.dht.storage import DHTLocalStorage, DictionaryDHTValue
from hivemind.dht.validation import DHTRecord
from hivemind.utils.timed_storage import get_dht_time

from fakes.processes import Swarm
from meadow_client.identity import new_identity
from meadow_client.models.answering import Answerer, End, Question
from meadow_client.models.auto import make_client
from meadow_client.models.description import describe
from meadow_client.models.sampling import Sampling
from meadow_client.session.swarm_client import ClientOptions
from meadow_client.swarm.directory import LIFETIME_S, RENEW_S, Announcement
from meadow_client.swarm.node import LOOPBACK, Stream, SwarmNode
from meadow_client.swarm.records import MAX_LIFETIME_S, OwnerSignature, _signed_bytes
from meadow_client.wire.messages import PROTOCOL

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    # WORKAROUND hivemind 1.1.12: a call that p2pd refuses leaves its connection to p2pd to the garbage collector.
    pytest.mark.filterwarnings("ignore:unclosed <StreamWriter:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:Exception ignored in. <function StreamWriter.__del__"),
]

YEARS_S = 3e8


def dht_of(node: SwarmNode) -> DHTNode:
    assert node._link is not None
    return node._link.dht


def announced(model: str, name: str = "honest", start: int = 0, end: int = 8) -> Announcement:
    return Announcement(model, "demo", 8, 512, start, end, name, "0.1", "float32", 0.01)


def signed(signer: SwarmNode, model: str, owner: str, announcement: Announcement, expiry: float) -> bytes:
    value = msgspec.msgpack.encode(msgspec.msgpack.encode(announcement))
    record = DHTRecord(key_of(model).to_bytes(), msgspec.msgpack.encode(owner), value, expiry)
    return value + signer.identity.sign(_signed_bytes(record, value))


@dataclass
class Hostile:
    """A node that sends what it likes to all `others`."""

    node: SwarmNode
    others: list[SwarmNode]

    @property
    def protocol(self) -> Any:
        return dht_of(self.node).protocol

    def sign(self, model: str, owner: str, announcement: Announcement, expiry: float) -> bytes:
        """A record under any owner's name, with this node's own signature."""
        return signed(self.node, model, owner, announcement, expiry)

    async def send(self, model: str, owner: str, value: bytes, expiry: float) -> None:
        """Write it on every node, in each way there is: stored, cached, and within a dictionary."""
        key = key_of(model)
        dictionary = DictionaryDHTValue()
        dictionary.store(owner, value, expiry)
        for other in self.others:
            peer = dht_of(other).peer_id
            for is_cached in (False, True):
                await self.protocol.call_store(peer, [key], [value], expiry, subkeys=[owner], in_cache=is_cached)
                await self.protocol.call_store(peer, [key], [dictionary], expiry, in_cache=is_cached)
                await self.protocol.call_store(peer, [key], [value], expiry, in_cache=is_cached)
        self.answer_with(model, dictionary, expiry)

    def answer_with(self, model: str, dictionary: DictionaryDHTValue, expiry: float) -> None:
        """What this node says when it is asked."""
        storage = DHTLocalStorage()
        storage.store(key_of(model), dictionary, expiry)
        self.protocol.storage = storage


def key_of(model: str) -> DHTID:
    return DHTID.generate(source=f"meadow/1/model/{model}")


@dataclass
class Room:
    victim: SwarmNode
    other: SwarmNode
    reader: SwarmNode
    hostile: Hostile

    def record(self, model: str) -> tuple[bytes, float]:
        """The victim's record as it is stored now, for everybody to copy."""
        entry = dht_of(self.victim).protocol.storage.get(key_of(model)).value.get(self.victim.peer)
        return entry.value, entry.expiration_time

    async def seen(self, model: str) -> list[Announcement]:
        """The same to everybody who looks."""
        looks = [
            {server.peer: server.announced for server in await node.directory.servers(model)}
            for node in (self.reader, self.other, self.victim)
        ]
        assert looks[0] == looks[1] == looks[2]
        assert looks[0].keys() <= {self.victim.peer, self.other.peer, self.hostile.node.peer}
        return [looks[0][peer] for peer in sorted(looks[0], key=lambda peer: peer != self.victim.peer)]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def room() -> AsyncIterator[Room]:
    async with (
        SwarmNode.running(new_identity(), listen=LOOPBACK) as meeting_point,
        SwarmNode.running(new_identity(), meeting_point.address, listen=LOOPBACK) as victim,
        SwarmNode.running(new_identity(), meeting_point.address, listen=LOOPBACK) as other,
        SwarmNode.running(new_identity(), meeting_point.address, listen=LOOPBACK) as hostile,
        SwarmNode.running(new_identity(), meeting_point.address, listen=None) as reader,
    ):
        protocol = dht_of(hostile).protocol
        protocol.record_validator, protocol.storage, protocol.cache = None, DHTLocalStorage(), DHTLocalStorage()
        yield Room(victim, other, reader, Hostile(hostile, [meeting_point, victim, other]))


@pytest.mark.parametrize("later_s", [1.0, YEARS_S])
async def test_overwrite(room: Room, later_s: float) -> None:
    """Another announcement under the victim's name, unsigned, badly signed, or with the signature of a true one."""
    said, model = announced("overwrite"), "overwrite"
    await room.victim.directory.announce(said)
    true_value, expiry = room.record(model)
    lie = announced(model, "hostile")
    unsigned = msgspec.msgpack.encode(msgspec.msgpack.encode(lie))
    for value in (
        unsigned,
        unsigned + bytes(64),
        unsigned + true_value[-64:],
        room.hostile.sign(model, room.victim.peer, lie, expiry + later_s),
    ):
        await room.hostile.send(model, room.victim.peer, value, expiry + later_s)
        assert await room.seen(model) == [said]
    assert await room.victim.directory.announce(said), "the owner's own next word is still taken"


@pytest.mark.parametrize("expiry", [YEARS_S, float("inf"), float("nan"), 2 * MAX_LIFETIME_S])
async def test_pin(room: Room, expiry: float) -> None:
    """The victim's true record, and one of the hostile node's own, made to stay for years."""
    said, model = announced("pin"), "pin"
    await room.victim.directory.announce(said)
    value, _expiry = room.record(model)
    until = get_dht_time() + expiry
    await room.hostile.send(model, room.victim.peer, value, until)
    own = room.hostile.node.peer
    await room.hostile.send(model, own, room.hostile.sign(model, own, announced(model, "hostile"), until), until)
    assert await room.seen(model) == [said]
    changed = announced(model, "honest", 2, 4)
    assert await room.victim.directory.announce(changed)
    assert await room.seen(model) == [changed]
    assert await room.victim.directory.withdraw(changed)
    assert await room.seen(model) == []


async def test_withdraw_in_the_victims_name(room: Room) -> None:
    said, model = announced("withdraw"), "withdraw"
    await room.victim.directory.announce(said)
    _value, expiry = room.record(model)
    gone = announced(model, start=0, end=0)
    await room.hostile.send(
        model, room.victim.peer, room.hostile.sign(model, room.victim.peer, gone, expiry + 1), expiry + 1
    )
    assert await room.seen(model) == [said]


async def test_withdraw_by_sending_an_older_record_again(room: Room) -> None:
    """The older record is true and still valid; the newer one must not expire together with it."""
    said, model = announced("replay"), "replay"
    expiry = get_dht_time() + 1.0
    older = signed(room.victim, model, room.victim.peer, said, expiry)
    await room.victim.directory.announce(said)
    await room.hostile.send(model, room.victim.peer, older, expiry)
    await asyncio.sleep(expiry - get_dht_time() + 0.1)
    room.hostile.answer_with(model, DictionaryDHTValue(), get_dht_time() + YEARS_S)
    assert await room.seen(model) == [said]


async def test_withdraw_by_answering_that_there_is_nothing_until_the_end_of_time(room: Room) -> None:
    """An answer that names a late expiry would end everybody's search."""
    said, model = announced("nothing"), "nothing"
    await room.victim.directory.announce(said)
    for maxsize in (None, 1):
        room.hostile.answer_with(model, DictionaryDHTValue(maxsize), float("inf"))
        assert await room.seen(model) == [said]


async def test_withdraw_by_a_true_record_of_ones_own_that_lives_longest(room: Room) -> None:
    """Stored, cached and in a dictionary: beside the victim's record, never in its place."""
    said, model, own = announced("beside"), "beside", room.hostile.node.peer
    await room.victim.directory.announce(said)
    expiry = get_dht_time() + MAX_LIFETIME_S - 1
    mine = announced(model, "hostile")
    await room.hostile.send(model, own, room.hostile.sign(model, own, mine, expiry), expiry)
    assert await room.seen(model) == [said, mine]


@pytest.mark.parametrize("value", [b"\xc1", b"\xa4\xff\xff\xff\xff", b"\xc0", b"\x93\x01\x02\x03"])
async def test_withdraw_by_a_signed_record_that_cannot_be_read(room: Room, value: bytes) -> None:
    said, model, own = announced("unreadable"), "unreadable", room.hostile.node.peer
    await room.victim.directory.announce(said)
    expiry = get_dht_time() + 30
    record = DHTRecord(key_of(model).to_bytes(), msgspec.msgpack.encode(own), value, expiry)
    signed = OwnerSignature(room.hostile.node.identity).sign_value(record)
    await room.hostile.send(model, own, signed, expiry)
    assert await room.seen(model) == [said]


async def test_an_older_record_does_not_undo_a_withdrawal_or_a_newer_one(room: Room) -> None:
    said, model = announced("undo"), "undo"
    await room.victim.directory.announce(said)
    first = room.record(model)
    changed = announced(model, start=2, end=4)
    await room.victim.directory.announce(changed)
    second = room.record(model)
    await room.hostile.send(model, room.victim.peer, *first)
    assert await room.seen(model) == [changed]
    await room.victim.directory.withdraw(changed)
    for old in (first, second):
        await room.hostile.send(model, room.victim.peer, *old)
        assert await room.seen(model) == []


async def test_forge(room: Room) -> None:
    """Records of servers that never said so: one that is there, one that is not, and under names that are no peer."""
    model, expiry = "forge", get_dht_time() + 30
    for owner in (room.other.peer, new_identity().peer, "somebody", ""):
        await room.hostile.send(model, owner, room.hostile.sign(model, owner, announced(model), expiry), expiry)
        assert await room.seen(model) == []


async def test_a_record_of_another_model_is_not_believed_of_this_one(room: Room) -> None:
    said = announced("here")
    await room.victim.directory.announce(said)
    await room.hostile.send("there", room.victim.peer, *room.record("here"))
    assert await room.seen("there") == []


async def test_a_server_that_crashed_is_forgotten_within_a_minute_and_one_that_runs_is_not_missed() -> None:
    assert RENEW_S * 3 <= LIFETIME_S < MAX_LIFETIME_S <= 60, "two renewals may get lost"


@pytest.mark.parametrize("does_listen", [True, False], ids=["hangs up", "serves nothing"])
async def test_a_server_that_lies_about_its_layers_costs_one_connection(demo_swarm: Swarm, does_listen: bool) -> None:
    description = describe(str(demo_swarm.model))
    calls: list[str] = []

    async def hang_up(stream: Stream) -> None:
        calls.append(stream.peer)

    lie = Announcement(
        description.fingerprint, description.name, description.num_layers, 512, 0, 8, "liar", "0.1", "float32", 1e-6
    )
    async with (
        SwarmNode.running(new_identity(), [demo_swarm.address], listen=LOOPBACK) as liar,
        SwarmNode.running(new_identity(), [demo_swarm.address], listen=None) as node,
    ):
        if does_listen:
            await liar.serve(PROTOCOL, hang_up)
        await liar.directory.announce(lie)
        assert liar.peer in {server.peer for server in await node.directory.servers(description.fingerprint)}
        client = make_client(description, node, asyncio.get_running_loop(), ClientOptions(connect_timeout_s=20))
        answerer = await asyncio.to_thread(Answerer.load, description, client, "float32", None)
        try:
            for _ in range(2):
                async with asyncio.timeout(30):
                    names = await names_in_chain(answerer)
                assert names == ["layers-0-3", "layers-3-4", "layers-4-8"]
        finally:
            answerer.close()
        assert calls == [node.peer] * does_listen
        await liar.directory.withdraw(lie)


async def names_in_chain(answerer: Answerer) -> list[str]:
    """Who gave an answer of a few tokens."""
    ids = answerer.chat_ids([{"role": "user", "content": "Hello"}])
    end = [event async for event in answerer.answer(Question(ids, 4, Sampling()))][-1]
    assert isinstance(end, End)
    return [member.name for member in end.chain]
