"""Frames keep what was written, and a reader takes no memory for what was not agreed."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Sequence

import msgspec
import pytest
import torch

from fakes.virtual_time import in_virtual_time
from meadow_client.errors import BrokenFrameError
from meadow_client.session.tensors import dtype_named, from_wire, to_wire
from meadow_client.wire import frames
from meadow_client.wire.messages import (
    DTYPE_BYTES,
    Address,
    Failure,
    Forward,
    Join,
    Message,
    Notice,
    Open,
    Ping,
    Pong,
    Queued,
    Reach,
    Reached,
    Request,
    Resend,
    Result,
    Step,
    TensorHeader,
    Timing,
)

LIMIT = 1 << 20
ID = "0123456789abcdef" * 2


class CountingReader:
    """Hands out bytes and notes how many were asked for."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.asked = 0

    async def readexactly(self, n: int, /) -> bytes:
        self.asked += n
        if n > len(self._data):
            raise asyncio.IncompleteReadError(self._data, n)
        part, self._data = self._data[:n], self._data[n:]
        return part


async def read_request(reader: frames.Reader, limit: int = LIMIT) -> tuple[Message, dict[str, bytes]]:
    return await frames.read(reader, frames.request_decoder, lambda _message: None, limit)


def flat(message: Message, bodies: Sequence[bytes] = ()) -> bytes:
    return b"".join(bytes(part) for part in frames.encode(message, bodies))


def frame(header: object, body: bytes = b"", body_bytes: int | None = None) -> bytes:
    packed = header if isinstance(header, bytes) else msgspec.msgpack.encode(header)
    return struct.pack(">IQ", len(packed), len(body) if body_bytes is None else body_bytes) + packed + body


def forward_of(*tensors: list[object]) -> dict[str, object]:
    return {"type": "forward", "tensors": list(tensors)}


SMALL_STEP = Step(3, (TensorHeader("hidden", "float32", (1, 1, 2)), TensorHeader("beam_idx", "int64", (1,))))
SMALL_FRAME = flat(SMALL_STEP, [b"abcdefgh", b"12345678"])


@pytest.mark.parametrize("dtype", sorted(DTYPE_BYTES))
async def test_a_tensor_of_every_dtype_comes_back_as_it_was(dtype: str) -> None:
    tensor = (torch.randn(2, 3, 4) * 10).to(dtype_named(dtype))
    headers, bodies = to_wire({"hidden": tensor})
    message, data = await read_request(CountingReader(flat(Forward(headers), [bytes(body) for body in bodies])))
    assert isinstance(message, Forward)
    back = from_wire(message.tensors[0], data["hidden"])
    assert back.dtype == tensor.dtype
    assert torch.equal(back, tensor)


async def test_a_tensor_that_is_not_contiguous_comes_back_in_its_own_order() -> None:
    tensor = torch.arange(24.0).reshape(2, 3, 4).transpose(1, 2)
    headers, bodies = to_wire({"hidden": tensor})
    assert torch.equal(from_wire(headers[0], bytes(bodies[0])), tensor)


async def test_a_tensor_without_elements_comes_back_with_its_shape() -> None:
    headers, bodies = to_wire({"hidden": torch.zeros(2, 0, 4)})
    message, data = await read_request(CountingReader(flat(Forward(headers), [bytes(body) for body in bodies])))
    assert isinstance(message, Forward)
    assert from_wire(message.tensors[0], data["hidden"]).shape == (2, 0, 4)


@pytest.mark.parametrize(
    "message",
    [
        Open(1, "session", "model", 0, 4, 1, 128, ID, Address("12D3KooWnext", ID), True),
        Open(1, "stateless", "model", 0, 4, 1, 128),
        Join(1, ID),
        Failure("layers-not-here"),
        Queued(3, 60.0),
        Step(3, (), (Address("next", ID),), 4, True, "int8", (Timing(0.25, 1.5, 0.125),), 5, 6),
        Resend(9, 2, (Address("next", ID), Address("last", ID)), 256),
        Ping(),
        Pong(),
        Notice("next-lost", 3),
        Notice("not-retained", 3),
        Reach(Address("next", ID)),
        Reached(Address("next", ID), is_linked=True),
        Result((), (Timing(0.25, 1.5, 0.125), Timing(0.0, 0.5)), 7, 2, 4),
    ],
)
async def test_a_message_without_tensors_comes_back_as_it_was(message: Message) -> None:
    decoder = frames.request_decoder if isinstance(message, Request) else frames.reply_decoder
    back, data = await frames.read(CountingReader(flat(message)), decoder, lambda _message: None, 0)
    assert back == message
    assert data == {}


async def test_two_frames_in_a_row_are_read_one_after_the_other() -> None:
    reader = CountingReader(SMALL_FRAME + flat(Step(4, ())))
    first, data = await read_request(reader)
    second, _ = await read_request(reader)
    assert (first, data) == (SMALL_STEP, {"hidden": b"abcdefgh", "beam_idx": b"12345678"})
    assert second == Step(4, ())


@in_virtual_time
async def test_a_reader_is_told_how_long_the_body_took_after_the_header() -> None:
    reader, arrival = asyncio.StreamReader(), frames.Arrival()
    header_end = len(SMALL_FRAME) - 16

    async def send() -> None:
        await asyncio.sleep(5)
        reader.feed_data(SMALL_FRAME[:header_end])
        for part in (SMALL_FRAME[header_end:-3], SMALL_FRAME[-3:]):
            await asyncio.sleep(2)
            reader.feed_data(part)
        reader.feed_data(SMALL_FRAME)

    async with asyncio.TaskGroup() as group:
        group.create_task(send())
        for expected_s in (4, 0):
            await frames.read(reader, frames.request_decoder, lambda _message: None, LIMIT, arrival)
            assert arrival.body_s == pytest.approx(expected_s)


@pytest.mark.parametrize("length", range(len(SMALL_FRAME)))
async def test_a_frame_cut_anywhere_ends_the_reading(length: int) -> None:
    reader = asyncio.StreamReader()
    reader.feed_data(SMALL_FRAME[:length])
    reader.feed_eof()
    with pytest.raises(asyncio.IncompleteReadError) as caught:
        await read_request(reader)
    assert (caught.value.partial == b"") == (length in (0, 12, len(SMALL_FRAME) - 16, len(SMALL_FRAME) - 8))


async def test_a_header_that_is_too_long_is_refused_before_it_is_read() -> None:
    reader = CountingReader(struct.pack(">IQ", frames.MAX_HEADER_BYTES + 1, 0) + bytes(frames.MAX_HEADER_BYTES + 1))
    with pytest.raises(BrokenFrameError):
        await read_request(reader)
    assert reader.asked == 12


async def test_a_body_that_is_too_long_is_refused_before_anything_of_the_frame_is_read() -> None:
    reader = CountingReader(SMALL_FRAME)
    with pytest.raises(BrokenFrameError):
        await read_request(reader, limit=15)
    assert reader.asked == 12


async def test_a_body_as_long_as_the_limit_is_read() -> None:
    message, _ = await read_request(CountingReader(SMALL_FRAME), limit=16)
    assert message == SMALL_STEP


async def test_a_message_that_the_caller_refuses_is_dropped_before_its_body_is_read() -> None:
    reader = CountingReader(SMALL_FRAME)

    def refuse(_message: Message) -> None:
        raise BrokenFrameError("not agreed")

    with pytest.raises(BrokenFrameError, match="not agreed"):
        await frames.read(reader, frames.request_decoder, refuse, LIMIT)
    assert reader.asked == len(SMALL_FRAME) - 16


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"\x00",
        b"\xc1",
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x91" * 10_000,
        b"\x81\xa4type\xa4\xff\xff\xff\xff",
        b"\x81\xa4\xff\xff\xff\xff\xc0",
        msgspec.msgpack.encode({"type": "forward", "tensors": []}) + b"\x00",
        msgspec.msgpack.encode({"type": "Forward", "tensors": []}),
        msgspec.msgpack.encode({"type": "result", "tensors": [], "queue_s": 0.0, "compute_s": 0.0}),
        msgspec.msgpack.encode({"type": "step", "tensors": []}),
        msgspec.msgpack.encode({"type": "step", "position": 0, "tensors": [], "extra": 1}),
        msgspec.msgpack.encode({"type": "step", "position": -1, "tensors": []}),
        msgspec.msgpack.encode({"type": "step", "position": 1 << 23, "tensors": []}),
        msgspec.msgpack.encode({"type": "step", "position": "0", "tensors": []}),
        msgspec.msgpack.encode({"type": "step", "position": 0.0, "tensors": []}),
        msgspec.msgpack.encode({"type": "step", "position": None, "tensors": []}),
        msgspec.msgpack.encode({"type": "step", "position": 0, "tensors": [], "route": [["peer", ID]] * 65}),
        msgspec.msgpack.encode({"type": "step", "position": 0, "tensors": [], "route": [["", ID]]}),
        msgspec.msgpack.encode({"type": "step", "position": 0, "tensors": [], "route": [["x" * 129, ID]]}),
        msgspec.msgpack.encode({"type": "step", "position": 0, "tensors": [], "route": ["peer"]}),
        msgspec.msgpack.encode({"type": "step", "position": 0, "tensors": [], "route": [["peer"]]}),
        msgspec.msgpack.encode({"type": "step", "position": 0, "tensors": [], "route": [["peer", ID, ID]]}),
        msgspec.msgpack.encode({"type": "step", "position": 0, "tensors": [], "route": [["peer", ID[1:]]]}),
        msgspec.msgpack.encode({"type": "step", "position": 0, "tensors": [], "epoch": -1}),
        msgspec.msgpack.encode({"type": "step", "position": 0, "tensors": [], "order": 1 << 23}),
        msgspec.msgpack.encode({"type": "resend", "end": 9, "epoch": 0, "route": [], "piece_tokens": 1}),
        msgspec.msgpack.encode({"type": "resend", "end": 0, "epoch": 0, "route": [["peer", ID]], "piece_tokens": 1}),
        msgspec.msgpack.encode({"type": "resend", "end": 9, "epoch": 0, "route": [["peer", ID]], "piece_tokens": 0}),
        msgspec.msgpack.encode(
            {"type": "resend", "end": 9, "epoch": 0, "route": [["peer", ID]] * 65, "piece_tokens": 1}
        ),
        msgspec.msgpack.encode({"type": "ping", "extra": 1}),
        msgspec.msgpack.encode({"type": "step", "position": 0, "tensors": [], "keep_from": -1}),
        msgspec.msgpack.encode({"type": "step", "position": 0, "tensors": [], "codec": "zip"}),
        msgspec.msgpack.encode({"type": "step", "position": 0, "tensors": [], "codec": "auto"}),
        msgspec.msgpack.encode({"type": "step", "position": 0, "tensors": [], "timings": [[0.0]]}),
        msgspec.msgpack.encode({"type": "step", "position": 0, "tensors": [], "timings": [[0.0] * 4]}),
        msgspec.msgpack.encode({"type": "step", "position": 0, "tensors": [], "timings": [[0.0, 0.0, "1"]]}),
        msgspec.msgpack.encode({"type": "step", "position": 0, "tensors": [], "timings": [[0.0, 0.0, 0.0]] * 65}),
        msgspec.msgpack.encode({"type": "join", "version": 1}),
        msgspec.msgpack.encode({"type": "join", "version": 1, "session": ID.upper()}),
        msgspec.msgpack.encode({"type": "join", "version": 1, "session": ID[:-1]}),
        msgspec.msgpack.encode({"type": "join", "version": 1, "session": ID + "0"}),
        msgspec.msgpack.encode({"type": "join", "version": 1, "session": "../../../../../../../../../etc/pa"}),
    ],
    ids=lambda header: repr(header[:24]),
)
async def test_a_header_that_is_no_message_of_ours_is_refused(header: bytes) -> None:
    with pytest.raises(BrokenFrameError):
        await read_request(CountingReader(frame(header)))


@pytest.mark.parametrize(
    "tensor",
    [
        ["hidden", "float32", [-1]],
        ["hidden", "float32", [1, 1, 1, 1, 1]],
        ["hidden", "float32", [1 << 23]],
        ["hidden", "float32", [1 << 70]],
        ["hidden", "float32", [1.0]],
        ["hidden", "float64", [1]],
        ["hidden", "object", [1]],
        ["weights", "float32", [1]],
        ["hidden", "float32"],
        ["hidden", "float32", [1], "more"],
        {"name": "hidden", "dtype": "float32", "shape": [1]},
    ],
    ids=repr,
)
async def test_a_tensor_that_cannot_be_is_refused(tensor: list[object]) -> None:
    packed = b"\x82\xa4type\xa7forward\xa7tensors\x91" + _pack(tensor)
    with pytest.raises(BrokenFrameError):
        await read_request(CountingReader(frame(packed, b"1234")))


def _pack(tensor: object) -> bytes:
    try:
        return msgspec.msgpack.encode(tensor)
    except OverflowError:
        return b"\x93\xa6hidden\xa7float32\x91\xcf" + b"\xff" * 8


async def test_more_tensors_than_a_message_has_are_refused() -> None:
    names = ["hidden", "scale", "position_ids", "attention_mask", "beam_idx", "grad"]
    header = forward_of(*[[name, "bool", [1]] for name in names])
    with pytest.raises(BrokenFrameError):
        await read_request(CountingReader(frame(header, b"123456")))


async def test_a_tensor_named_twice_is_refused() -> None:
    header = forward_of(["hidden", "bool", [2]], ["hidden", "bool", [2]])
    with pytest.raises(BrokenFrameError, match="twice"):
        await read_request(CountingReader(frame(header, b"1234")))


@pytest.mark.parametrize("body_bytes", [0, 3, 5])
async def test_tensors_that_do_not_add_up_to_the_body_are_refused_before_it_is_read(body_bytes: int) -> None:
    data = frame(forward_of(["hidden", "float32", [1]]), b"12345678", body_bytes)
    reader = CountingReader(data)
    with pytest.raises(BrokenFrameError, match="add up"):
        await read_request(reader)
    assert reader.asked == len(data) - 8


async def test_tensors_of_huge_size_are_refused_by_their_sum_and_not_reserved() -> None:
    big = 1 << 22
    reader = CountingReader(frame(forward_of(["hidden", "int64", [big, big, big]])))
    with pytest.raises(BrokenFrameError):
        await read_request(reader)
