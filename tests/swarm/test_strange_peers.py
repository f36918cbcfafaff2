"""Peers that send strange, truncated or oversized frames lose their stream; the engine serves on."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from secrets import token_hex

import pytest

from fakes.processes import Swarm
from meadow_client.identity import new_identity
from meadow_client.models.description import describe
from meadow_client.swarm.node import Stream, SwarmNode
from meadow_client.wire import frames
from meadow_client.wire.messages import PROTOCOL, VERSION, Failure, Join, Open, Opened, Step, TensorHeader

STRANGE = {
    "noise": b"\x00" * 64,
    "http": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" + b" " * 64,
    "huge header": struct.pack(">IQ", 1 << 31, 0) + b"x" * 64,
    "huge body": struct.pack(">IQ", 16, 1 << 60) + b"x" * 64,
    "not msgpack": struct.pack(">IQ", 16, 0) + b"\xc1" * 16,
}


@pytest.fixture
async def node(demo_swarm: Swarm) -> AsyncIterator[SwarmNode]:
    async with SwarmNode.running(new_identity(), [demo_swarm.address], listen=None) as node:
        yield node


async def opened(node: SwarmNode, swarm: Swarm) -> Stream:
    stream = await node.open(swarm.engines[0].ready["peer"], PROTOCOL)
    opening = Open(VERSION, "session", describe(str(swarm.model)).fingerprint, 0, 3, 1, 64, token_hex(16))
    stream.writer.writelines(frames.encode(opening))
    reply, _ = await frames.read(stream.reader, frames.reply_decoder, lambda _: None, 0)
    assert isinstance(reply, Opened)
    return stream


async def assert_closed(stream: Stream) -> None:
    """The engine says a code or nothing, then ends the stream."""
    async with asyncio.timeout(15):
        rest = await stream.reader.read()
    assert len(rest) < 200
    await stream.aclose()


async def assert_serves(node: SwarmNode, swarm: Swarm) -> None:
    stream = await opened(node, swarm)
    width = describe(str(swarm.model)).width
    header = TensorHeader("hidden", "float32", (1, 2, width))
    stream.writer.writelines(frames.encode(Step(0, (header,)), [b"\0" * header.nbytes]))
    _reply, tensors = await frames.read(stream.reader, frames.reply_decoder, lambda _: None, 1 << 20)
    assert len(tensors["hidden"]) == header.nbytes
    await stream.aclose()


@pytest.mark.parametrize("name", STRANGE)
async def test_strange_first_bytes(name: str, node: SwarmNode, demo_swarm: Swarm) -> None:
    stream = await node.open(demo_swarm.engines[0].ready["peer"], PROTOCOL)
    stream.writer.write(STRANGE[name])
    await assert_closed(stream)
    await assert_serves(node, demo_swarm)


async def test_a_truncated_frame(node: SwarmNode, demo_swarm: Swarm) -> None:
    stream = await opened(node, demo_swarm)
    header = TensorHeader("hidden", "float32", (1, 2, describe(str(demo_swarm.model)).width))
    frame = b"".join(bytes(part) for part in frames.encode(Step(0, (header,)), [b"\0" * header.nbytes]))
    stream.writer.write(frame[: len(frame) // 2])
    await stream.writer.drain()
    await stream.aclose()
    await assert_serves(node, demo_swarm)


async def test_a_step_with_more_tokens_than_agreed(node: SwarmNode, demo_swarm: Swarm) -> None:
    stream = await opened(node, demo_swarm)
    header = TensorHeader("hidden", "float32", (1, 65, describe(str(demo_swarm.model)).width))
    stream.writer.writelines(frames.encode(Step(0, (header,)), [b"\0" * header.nbytes]))
    reply, _ = await frames.read(stream.reader, frames.reply_decoder, lambda _: None, 0)
    assert reply == Failure("broken-frame")
    await assert_closed(stream)
    await assert_serves(node, demo_swarm)


async def test_a_step_with_another_width(node: SwarmNode, demo_swarm: Swarm) -> None:
    stream = await opened(node, demo_swarm)
    header = TensorHeader("hidden", "float32", (1, 1, 7))
    stream.writer.writelines(frames.encode(Step(0, (header,)), [b"\0" * header.nbytes]))
    reply, _ = await frames.read(stream.reader, frames.reply_decoder, lambda _: None, 0)
    assert reply == Failure("broken-frame")
    await assert_closed(stream)
    await assert_serves(node, demo_swarm)


async def test_layers_and_models_that_are_not_here(node: SwarmNode, demo_swarm: Swarm) -> None:
    fingerprint = describe(str(demo_swarm.model)).fingerprint
    for opening, code in [
        (Open(VERSION, "session", fingerprint, 3, 5, 1, 64, token_hex(16)), "layers-not-here"),
        (Open(VERSION, "session", "another", 0, 3, 1, 64, token_hex(16)), "other-model"),
        (Open(VERSION + 1, "session", fingerprint, 0, 3, 1, 64, token_hex(16)), "other-version"),
    ]:
        stream = await node.open(demo_swarm.engines[0].ready["peer"], PROTOCOL)
        stream.writer.writelines(frames.encode(opening))
        reply, _ = await frames.read(stream.reader, frames.reply_decoder, lambda _: None, 0)
        assert reply == Failure(code)
        await stream.aclose()


async def test_a_session_that_is_not_here_cannot_be_joined(node: SwarmNode, demo_swarm: Swarm) -> None:
    for version, code in [(VERSION, "no-such-session"), (VERSION + 1, "other-version")]:
        stream = await node.open(demo_swarm.engines[0].ready["peer"], PROTOCOL)
        stream.writer.writelines(frames.encode(Join(version, token_hex(16))))
        reply, _ = await frames.read(stream.reader, frames.reply_decoder, lambda _: None, 0)
        assert reply == Failure(code)
        await assert_closed(stream)
    await assert_serves(node, demo_swarm)


async def test_a_session_does_not_name_itself_as_somebody_elses(node: SwarmNode, demo_swarm: Swarm) -> None:
    fingerprint, session = describe(str(demo_swarm.model)).fingerprint, token_hex(16)
    streams = [await node.open(demo_swarm.engines[0].ready["peer"], PROTOCOL) for _ in range(2)]
    replies = []
    for stream in streams:
        stream.writer.writelines(frames.encode(Open(VERSION, "session", fingerprint, 0, 3, 1, 64, session)))
        replies.append((await frames.read(stream.reader, frames.reply_decoder, lambda _: None, 0))[0])
    assert isinstance(replies[0], Opened)
    assert replies[1] == Failure("session-taken")
    for stream in streams:
        await stream.aclose()
    await assert_serves(node, demo_swarm)
