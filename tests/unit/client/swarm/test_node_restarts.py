"""A peer whose p2pd is killed comes back as the same peer, at the same address, with what it served and announced."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from itertools import pairwise

import pytest
from hivemind.p2p import PeerID

from meadow_client.errors import MeadowError
from meadow_client.identity import Identity, new_identity
from meadow_client.swarm import link as link_module
from meadow_client.swarm import membership
from meadow_client.swarm.directory import Announcement
from meadow_client.swarm.link import Link, NodeFailedError
from meadow_client.swarm.node import LOOPBACK, NodeDownError, PeerUnreachableError, Stream, SwarmNode

# WORKAROUND hivemind 1.1.12: a call that p2pd refuses leaves its connection to p2pd to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <StreamWriter:ResourceWarning")

PROTOCOL = "/meadow/test/1"
ANNOUNCED = Announcement("model", "demo", 8, 512, 0, 4, "computer", "0.1", "float32", 0.01)


async def shout(stream: Stream) -> None:
    while line := await stream.reader.readline():
        stream.writer.write(line.upper())
        await stream.writer.drain()


def kill_p2pd(node: SwarmNode) -> None:
    assert node._link is not None
    node._link.p2p._child.kill()


async def until(is_so: Callable[[], Awaitable[bool]], timeout_s: float = 15.0) -> float:
    """Poll, and say how long it took."""
    began = time.monotonic()
    while not await is_so():
        assert time.monotonic() - began < timeout_s
        await asyncio.sleep(0.02)
    return time.monotonic() - began


async def is_heard(client: SwarmNode, server: SwarmNode) -> bool:
    try:
        stream = await client.open(server.peer, PROTOCOL)
    except PeerUnreachableError:
        return False
    try:
        stream.writer.write(b"hello\n")
        return await stream.reader.readline() == b"HELLO\n"
    except OSError:
        return False
    finally:
        await stream.aclose()


async def test_a_killed_p2pd_is_replaced_within_seconds_and_nothing_has_to_be_said_again() -> None:
    async with (
        SwarmNode.running(new_identity(), listen=LOOPBACK) as meeting_point,
        SwarmNode.running(new_identity(), meeting_point.address, listen=LOOPBACK) as server,
        SwarmNode.running(new_identity(), meeting_point.address, listen=None) as client,
    ):
        await server.serve(PROTOCOL, shout)
        await server.directory.announce(ANNOUNCED)
        peer, address, directory = server.peer, list(server.address), server.directory
        stream = await client.open(server.peer, PROTOCOL)

        kill_p2pd(server)
        async with asyncio.timeout(1.0):
            assert await stream.reader.read() == b"", "who was connected notices at once"
        await stream.aclose()
        assert await until(lambda: is_heard(client, server)) < 10
        assert (server.peer, server.address, server.directory) == (peer, address, directory)
        assert server._link is not None
        assert await server._link.addresses() == address
        assert [found.peer for found in await client.directory.servers("model")] == [peer]
        assert await server.directory.withdraw(ANNOUNCED)
        assert await client.directory.servers("model") == []


async def test_a_client_whose_p2pd_is_killed_finds_and_reaches_servers_again() -> None:
    async with (
        SwarmNode.running(new_identity(), listen=LOOPBACK) as server,
        SwarmNode.running(new_identity(), server.address, listen=None) as client,
    ):
        await server.serve(PROTOCOL, shout)
        await server.directory.announce(ANNOUNCED)
        for _ in range(2):
            kill_p2pd(client)
            await until(lambda: is_down(client))
            with pytest.raises(NodeDownError):
                await client.open(server.peer, PROTOCOL)
            assert await client.count_peers() == 0
            # A lookup waits until it can be answered, rather than saying that nobody is there.
            assert [found.peer for found in await client.directory.servers("model")] == [server.peer]
            assert await until(lambda: is_heard(client, server)) < 5


async def is_down(node: SwarmNode) -> bool:
    return node._link is None


async def is_up(node: SwarmNode) -> bool:
    return node._link is not None


async def test_a_lookup_that_is_under_way_when_p2pd_is_killed_is_answered_all_the_same() -> None:
    async with (
        SwarmNode.running(new_identity(), listen=LOOPBACK) as server,
        SwarmNode.running(new_identity(), server.address, listen=None) as client,
    ):
        await server.directory.announce(ANNOUNCED)
        async with asyncio.TaskGroup() as group:
            lookups = [group.create_task(client.directory.servers("model")) for _ in range(3)]
            kill_p2pd(client)
        assert [[found.peer for found in lookup.result()] for lookup in lookups] == [[server.peer]] * 3


async def test_a_meeting_point_that_is_started_anew_is_joined_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(membership, "ROUND_S", 0.5)
    identity, others = new_identity(), new_identity()
    async with SwarmNode.running(identity, listen=LOOPBACK) as meeting_point:
        address = meeting_point.address
        one = await SwarmNode.start(others, address, listen=LOOPBACK)
        two = await SwarmNode.start(new_identity(), address, listen=LOOPBACK)
    try:
        # The meeting point has left: those who met there still find each other.
        await one.directory.announce(ANNOUNCED)
        assert [found.peer for found in await two.directory.servers("model")] == [one.peer]
        async with (
            SwarmNode.running(identity, listen=[address[0].split("/p2p/")[0]]) as again,
        ):
            assert again.address == address

            async def is_found() -> bool:
                return [found.peer for found in await again.directory.servers("model")] == [one.peer]

            await until(is_found, timeout_s=40)
            assert again.peer in {*(await connected(one)), *(await connected(two))}
    finally:
        await one.stop()
        await two.stop()


async def test_peers_that_lost_each_other_find_each_other_again_without_their_meeting_point(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(membership, "ROUND_S", 0.2)
    monkeypatch.setattr(membership, "RETRY_S", 0.2)
    async with SwarmNode.running(new_identity(), listen=LOOPBACK) as meeting_point:
        one = await SwarmNode.start(new_identity(), meeting_point.address, listen=LOOPBACK)
        two = await SwarmNode.start(new_identity(), meeting_point.address, listen=LOOPBACK)
        await two.directory.announce(ANNOUNCED)

        async def is_known() -> bool:
            return two.peer in [contact.peer for contact in one._membership.everybody()]

        await until(is_known)
    try:
        assert one._link is not None
        assert two._link is not None
        for node, other in ((one, two), (two, one)):
            link = node._link
            assert link is not None
            table = link.dht.protocol.routing_table
            del table[table.get(peer_id=PeerID.from_base58(other.peer))]
        one._link.dht.protocol.storage.clear()
        assert await one.directory.servers("model") == []
        await one._link.p2p._client.disconnect(PeerID.from_base58(two.peer))

        async def is_found() -> bool:
            return [found.peer for found in await one.directory.servers("model")] == [two.peer]

        await until(is_found)
    finally:
        await one.stop()
        await two.stop()


async def connected(node: SwarmNode) -> set[str]:
    assert node._link is not None
    return set(await node._link.connected())


async def test_while_p2pd_does_not_start_it_is_tried_less_and_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[float] = []
    start = Link.start

    async def fail(*arguments: object) -> Link:
        tried.append(time.monotonic())
        if len(tried) < 4:
            raise NodeFailedError("no")
        return await start(*arguments)  # type: ignore[arg-type]

    async with SwarmNode.running(new_identity(), listen=LOOPBACK) as node:
        monkeypatch.setattr(link_module.Link, "start", fail)
        kill_p2pd(node)
        await until(lambda: is_down(node))

        await until(lambda: is_up(node))
        waits = [later - earlier for earlier, later in pairwise(tried)]
        assert [round(wait * 5) / 5 for wait in waits[1:]] == [0.4, 0.8]


@pytest.mark.parametrize("moment_s", [None, 0.0, 0.02, 0.1])
async def test_a_peer_ends_cleanly_whatever_p2pd_is_doing(moment_s: float | None) -> None:
    node = await SwarmNode.start(new_identity(), listen=LOOPBACK)
    await node.serve(PROTOCOL, shout)
    kill_p2pd(node)
    if moment_s is not None:
        await until(lambda: is_down(node))
        await asyncio.sleep(moment_s)
    async with asyncio.timeout(5):
        await node.stop()
    with pytest.raises(NodeDownError):
        await node.open(new_identity().peer, PROTOCOL)


async def test_what_is_served_while_p2pd_is_away_is_served_by_the_next() -> None:
    identity: Identity = new_identity()
    async with (
        SwarmNode.running(identity, listen=LOOPBACK) as server,
        SwarmNode.running(new_identity(), server.address, listen=None) as client,
    ):
        await server.serve("/meadow/other/1", shout)
        kill_p2pd(server)
        await until(lambda: is_down(server))
        await server.serve(PROTOCOL, shout)
        await server.stop_serving("/meadow/other/1")
        await until(lambda: is_up(server))
        assert await until(lambda: is_heard(client, server)) < 10
        with pytest.raises(MeadowError):
            await client.open(server.peer, "/meadow/other/1")
