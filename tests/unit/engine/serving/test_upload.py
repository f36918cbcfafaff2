"""What is sent for others keeps to a rate, in order, and signs of life pass what waits."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from meadow_client.swarm.node import Stream
from meadow_client.wire import frames
from meadow_client.wire.messages import Message, Pong, Result, TensorHeader
from meadow_engine.serving.traffic import Traffic
from meadow_engine.serving.upload import Upload

# What a receiver reads at a time (`wire/frames.py`).
PIECE = 32 * 1024
RATE = 1_000_000.0
A_LONG_TIME = 30.0


def result(number: int, size: int) -> list[frames.Buffer]:
    header = TensorHeader("hidden", "float32", (1, size // 400, 100))
    return frames.encode(Result((header,), (), number, 1), [bytes(size)])


@asynccontextmanager
async def streams(count: int = 1) -> AsyncIterator[list[tuple[Stream, Stream]]]:
    """Pairs of ends: of the server, and of whoever is served."""
    pairs = []
    for number in range(count):
        ends = []
        for end in socket.socketpair():
            end.setblocking(False)
            ends.append(Stream(f"peer {number}", *await asyncio.open_connection(sock=end)))
        pairs.append((ends[0], ends[1]))
    try:
        yield pairs
    finally:
        for pair in pairs:
            for one in pair:
                one.abort()


async def hear(stream: Stream) -> Message:
    message, _ = await frames.read(stream.reader, frames.reply_decoder, lambda _message: None, 1 << 30)
    return message


async def drain_twice(stream: Stream) -> None:
    """A socket may tell that it is broken a moment later."""
    await stream.writer.drain()
    await stream.writer.drain()


async def timed(awaitable: Awaitable[object]) -> float:
    clock = asyncio.get_running_loop().time
    began_s = clock()
    async with asyncio.timeout(A_LONG_TIME):
        await awaitable
    return clock() - began_s


async def test_results_take_as_long_as_the_rate_says() -> None:
    async with streams() as [(ours, theirs)]:
        limited = Traffic(Upload(RATE)).over(ours)
        for number in range(4):
            limited.writer.writelines(result(number, 100_000))

        async def all_heard() -> None:
            assert [(await hear(theirs)).position for _ in range(4)] == [0, 1, 2, 3]  # type: ignore[union-attr]

        assert 0.25 < await timed(all_heard()) < 3


async def test_a_sign_of_life_passes_results_that_wait_and_cuts_none_in_two() -> None:
    async with streams() as [(ours, theirs)]:
        limited = Traffic(Upload(RATE)).over(ours)
        for number in range(3):
            limited.writer.writelines(result(number, 200_000))
        limited.writer.writelines(frames.encode(Pong()))
        heard = [await hear(theirs) for _ in range(4)]
        assert [type(message).__name__ for message in heard] == ["Result", "Pong", "Result", "Result"]


async def test_somebody_elses_long_result_holds_up_no_sign_of_life() -> None:
    async with streams(2) as [(ours, _theirs), (others, there)]:
        upload = Upload(RATE)
        Traffic(upload).over(ours).writer.writelines(result(0, 50_000_000))
        limited = Traffic(upload).over(others)
        limited.writer.writelines(result(0, 100_000))
        limited.writer.writelines(frames.encode(Pong()))
        async with asyncio.timeout(5):
            assert isinstance(await hear(there), Pong)


async def test_streams_take_turns() -> None:
    async with streams(2) as [(ours, theirs), (others, there)]:
        upload = Upload(RATE)
        first, second = Traffic(upload).over(ours), Traffic(upload).over(others)
        for number in range(10):
            first.writer.writelines(result(number, 40_000))
        second.writer.writelines(result(7, 4_000))
        async with asyncio.timeout(A_LONG_TIME):
            await hear(there)
            assert first.writer.waiting_bytes > 200_000  # type: ignore[attr-defined]
            for number in range(10):
                assert (await hear(theirs)).position == number  # type: ignore[union-attr]


async def test_bytes_keep_coming_while_a_long_result_is_under_way() -> None:
    gaps_s: list[float] = []
    async with streams() as [(ours, theirs)]:
        limited = Traffic(Upload(125_000)).over(ours)  # the lowest rate that can be set
        limited.writer.writelines(result(0, 150_000))
        async with asyncio.timeout(A_LONG_TIME):
            for _ in range(150_000 // PIECE):
                gaps_s.append(await timed(theirs.reader.readexactly(PIECE)))
    assert max(gaps_s) < 0.8  # a second of silence would mean that this server is dead


async def test_whoever_sends_waits_for_room_and_goes_on_when_there_is_some() -> None:
    async with streams() as [(ours, _theirs)]:
        limited = Traffic(Upload(RATE)).over(ours)
        assert await timed(limited.writer.drain()) < 0.1
        limited.writer.writelines(result(0, 400_000))
        assert 0.15 < await timed(limited.writer.drain()) < 3


async def test_closing_sends_first_what_waits() -> None:
    async with streams() as [(ours, theirs)]:
        limited = Traffic(Upload(RATE)).over(ours)
        limited.writer.writelines(result(0, 200_000))
        limited.writer.close()
        async with asyncio.timeout(A_LONG_TIME):
            await hear(theirs)
            assert await theirs.reader.read(1) == b""
            await limited.writer.wait_closed()


@pytest.mark.parametrize("ends", [lambda ours, _theirs: ours.abort(), lambda _ours, theirs: theirs.abort()])
async def test_a_stream_that_breaks_frees_whoever_waits_and_everybody_elses_turn(
    ends: Callable[[Stream, Stream], None],
) -> None:
    async with streams(2) as [(ours, theirs), (others, there)]:
        upload = Upload(RATE)
        broken, good = Traffic(upload).over(ours), Traffic(upload).over(others)
        broken.writer.writelines(result(0, 100_000_000))
        good.writer.writelines(result(1, 10_000))
        await asyncio.sleep(0.05)
        ends(ours, theirs)
        async with asyncio.timeout(5):
            await hear(there)
            with pytest.raises(OSError):
                await drain_twice(broken)
        assert broken.writer.waiting_bytes == 0  # type: ignore[attr-defined]


@pytest.mark.parametrize("faster", [0.0, 1e9])
async def test_a_limit_that_is_lifted_or_raised_counts_at_once(faster: float) -> None:
    upload = Upload(RATE)
    async with streams() as [(ours, theirs)]:
        limited = Traffic(upload).over(ours)
        limited.writer.writelines(result(0, 50_000_000))
        upload.bytes_per_s = faster
        async with asyncio.timeout(10):
            await hear(theirs)


async def test_a_limit_that_is_set_later_counts_for_streams_that_are_open() -> None:
    traffic = Traffic()
    async with streams() as [(ours, theirs)]:
        counted = traffic.over(ours)
        traffic.upload.bytes_per_s = RATE
        counted.writer.writelines(result(0, 400_000))
        assert 0.2 < await timed(hear(theirs)) < 3


async def test_without_a_limit_frames_go_out_at_once_and_are_counted() -> None:
    traffic = Traffic()
    async with streams() as [(ours, theirs)]:
        counted = traffic.over(ours)
        counted.writer.writelines(frame := result(0, 40_000))
        await counted.writer.drain()
        await hear(theirs)
        theirs.writer.writelines([bytes(1000)])
        await counted.reader.readexactly(600)
        await counted.reader.read(1000)
    assert traffic.sent_bytes == sum(len(part) for part in frame)
    assert traffic.received_bytes == 1000


async def test_with_a_limit_bytes_are_counted_when_they_go_out() -> None:
    traffic = Traffic(Upload(RATE))
    async with streams() as [(ours, theirs)]:
        traffic.over(ours).writer.writelines(frame := result(0, 400_000))
        assert traffic.sent_bytes < 200_000
        async with asyncio.timeout(A_LONG_TIME):
            await hear(theirs)
    assert traffic.sent_bytes == sum(len(part) for part in frame)


async def test_the_persons_own_engine_is_neither_limited_nor_counted() -> None:
    traffic = Traffic(Upload(RATE), own_peer="peer 0")
    async with streams() as [(ours, _theirs)]:
        assert traffic.over(ours) is ours
