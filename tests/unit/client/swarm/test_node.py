"""Peers open streams to each other, and to themselves, and learn when the other end is gone."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
import pytest_asyncio

from meadow_client.errors import PortTakenError, SwarmUnreachableError
from meadow_client.identity import new_identity
from meadow_client.swarm.node import LOOPBACK, PeerUnreachableError, Stream, SwarmNode

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    # WORKAROUND hivemind 1.1.12: a call that p2pd refuses leaves its connection to p2pd to the garbage collector.
    pytest.mark.filterwarnings("ignore:unclosed <StreamWriter:ResourceWarning"),
]

Pair = tuple[SwarmNode, SwarmNode]
PROTOCOL = "/meadow/test/1"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pair() -> AsyncIterator[Pair]:
    async with (
        SwarmNode.running(new_identity(), listen=LOOPBACK) as server,
        SwarmNode.running(new_identity(), server.address, listen=None) as client,
    ):
        yield server, client


async def shout(stream: Stream) -> None:
    """Answers every line in capitals."""
    while line := await stream.reader.readline():
        stream.writer.write(line.upper())
        await stream.writer.drain()


@pytest_asyncio.fixture(loop_scope="module")
async def shouting(pair: Pair) -> AsyncIterator[Pair]:
    await pair[0].serve(PROTOCOL, shout)
    yield pair
    await pair[0].stop_serving(PROTOCOL)


async def ask(stream: Stream, line: bytes) -> bytes:
    stream.writer.write(line)
    await stream.writer.drain()
    return await stream.reader.readline()


async def test_a_stream_carries_bytes_both_ways(shouting: Pair) -> None:
    server, client = shouting
    stream = await client.open(server.peer, PROTOCOL)
    assert await ask(stream, b"hello\n") == b"HELLO\n"
    assert await ask(stream, b"again\n") == b"AGAIN\n"
    await stream.aclose()


async def test_a_peer_reaches_itself(shouting: Pair) -> None:
    server, _client = shouting
    stream = await server.open(server.peer, PROTOCOL)
    assert await ask(stream, b"hello\n") == b"HELLO\n"
    await stream.aclose()


async def test_a_server_knows_who_calls(pair: Pair) -> None:
    server, client = pair
    callers: list[str] = []

    async def note(stream: Stream) -> None:
        callers.append(stream.peer)

    await server.serve(PROTOCOL, note)
    for node in (client, server):
        stream = await node.open(server.peer, PROTOCOL)
        assert await stream.reader.read() == b""
        await stream.aclose()
    await server.stop_serving(PROTOCOL)
    assert callers == [client.peer, server.peer]


@pytest.mark.parametrize("caller", [0, 1], ids=["itself", "another"])
async def test_a_handler_that_fails_ends_its_own_stream_only(pair: Pair, caller: int) -> None:
    server = pair[0]

    async def fail(stream: Stream) -> None:
        await shout_once(stream)
        raise KeyError("a defect")

    async def shout_once(stream: Stream) -> None:
        stream.writer.write((await stream.reader.readline()).upper())

    await server.serve(PROTOCOL, fail)
    for _ in range(2):
        stream = await pair[caller].open(server.peer, PROTOCOL)
        assert await ask(stream, b"hello\n") == b"HELLO\n"
        assert await stream.reader.read() == b""
        await stream.aclose()
    await server.stop_serving(PROTOCOL)


@pytest.mark.parametrize("caller", [0, 1], ids=["itself", "another"])
async def test_streams_end_when_their_server_stops_serving(pair: Pair, caller: int) -> None:
    server = pair[0]
    await server.serve(PROTOCOL, shout)
    stream = await pair[caller].open(server.peer, PROTOCOL)
    assert await ask(stream, b"hello\n") == b"HELLO\n"
    await server.stop_serving(PROTOCOL)
    assert await stream.reader.read() == b""
    await stream.aclose()
    # A peer that remembers the protocol may still open a stream, which then ends before anything is said.
    with suppress(PeerUnreachableError):
        late = await pair[caller].open(server.peer, PROTOCOL)
        assert await late.reader.read() == b""
        await late.aclose()


async def test_a_peer_that_does_not_speak_the_protocol_is_unreachable(pair: Pair) -> None:
    server, client = pair
    with pytest.raises(PeerUnreachableError):
        await client.open(server.peer, "/meadow/nothing/1")


async def test_a_peer_that_is_not_there_is_unreachable(pair: Pair) -> None:
    with pytest.raises(PeerUnreachableError):
        await pair[1].open(new_identity().peer, PROTOCOL)


async def test_connected_peers_are_counted(pair: Pair) -> None:
    assert [await node.count_peers() for node in pair] == [1, 1]


async def test_a_port_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"/ip4/127.0.0.1/tcp/{other.getsockname()[1]}"
        with pytest.raises(PortTakenError, match=address):
            await SwarmNode.start(new_identity(), listen=[address])


async def test_an_address_where_nobody_answers_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    address = f"/ip4/127.0.0.1/tcp/{port}/p2p/{new_identity().peer}"
    async with asyncio.timeout(60):
        with pytest.raises(SwarmUnreachableError, match=address):
            await SwarmNode.start(new_identity(), [address], listen=None)


async def test_a_node_that_is_needed_again_looks_around_at_once(pair: Pair) -> None:
    node, seen = pair[0], asyncio.Queue[int]()
    node.on_look = seen.put_nowait
    node.rest(True)
    async with asyncio.timeout(10):  # the look that was due before
        await seen.get()
    node.rest(False)
    async with asyncio.timeout(2):
        assert await seen.get() == 1
