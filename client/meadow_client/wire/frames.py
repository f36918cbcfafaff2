"""Frames: how a message and its tensors lie in a byte stream.

    bytes 0..3    length of the header in bytes, big endian
    bytes 4..11   length of the body in bytes, big endian
    header        one message (`messages.py`) as msgpack
    body          the message's tensors, one after the other, no padding

A reader learns every size before it takes memory for it: both lengths are compared with limits, the header is
decoded with its types and bounds, its tensors must add up to the body, and the caller's own check sees the
header before the body is read.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import msgspec

from meadow_client.errors import BrokenFrameError
from meadow_client.wire.messages import Message, Reply, Request, TensorHeader

_PREFIX = struct.Struct(">IQ")
MAX_HEADER_BYTES = 16 * 1024
# So little that a slow link, too, brings signs of life more often than once a second.
_CHUNK_BYTES = 32 * 1024

Buffer = bytes | bytearray | memoryview
_M = TypeVar("_M", bound=msgspec.Struct)

_encoder = msgspec.msgpack.Encoder()
request_decoder: msgspec.msgpack.Decoder[Request] = msgspec.msgpack.Decoder(Request)
reply_decoder: msgspec.msgpack.Decoder[Reply] = msgspec.msgpack.Decoder(Reply)


class Reader(Protocol):
    """The part of asyncio.StreamReader that a frame needs."""

    async def readexactly(self, n: int, /) -> bytes: ...


@dataclass
class Arrival:
    """How a frame came in: `body_s` passed from its header's arrival to its body's end, by the event loop's clock.

    A body that lay here before somebody read its header took no time, so a link is never measured too slow.
    `on_bytes` is called again and again while a body comes in, with the seconds since its header was here.
    """

    on_bytes: Callable[[float], None] = lambda _seconds: None
    body_s: float = 0.0


def encode(message: Message, bodies: Sequence[Buffer] = ()) -> list[Buffer]:
    """A frame as a list of buffers to write one after the other (tensors are not copied)."""
    header = _encoder.encode(message)
    body_bytes = sum(len(body) if isinstance(body, bytes | bytearray) else body.nbytes for body in bodies)
    return [_PREFIX.pack(len(header), body_bytes) + header, *bodies]


async def read(
    reader: Reader,
    decoder: msgspec.msgpack.Decoder[_M],
    check: Callable[[_M], None],
    max_body_bytes: int,
    arrival: Arrival | None = None,
) -> tuple[_M, dict[str, Buffer]]:
    """Read one frame: its message and its tensors' bytes by name.

    `check` sees the decoded header before the body is read and raises BrokenFrameError for what was not agreed.
    `arrival` is told how long the body took.

    Raises:
        BrokenFrameError: the bytes are no frame, or one larger than agreed.
        asyncio.IncompleteReadError: the stream ended; with an empty `partial`, it ended between two frames.
    """
    header_bytes, body_bytes = _PREFIX.unpack(await reader.readexactly(_PREFIX.size))
    if header_bytes > MAX_HEADER_BYTES:
        raise BrokenFrameError(f"A frame's header of {header_bytes} bytes is larger than {MAX_HEADER_BYTES}")
    if body_bytes > max_body_bytes:
        raise BrokenFrameError(f"A frame's body of {body_bytes} bytes is larger than {max_body_bytes}")
    try:
        message = decoder.decode(await reader.readexactly(header_bytes))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BrokenFrameError("A frame's header is not a message of ours") from error
    headers: Sequence[TensorHeader] = getattr(message, "tensors", ())
    if len({header.name for header in headers}) != len(headers):
        raise BrokenFrameError("A frame names a tensor twice")
    if sum(header.nbytes for header in headers) != body_bytes:
        raise BrokenFrameError("A frame's tensors do not add up to its body")
    check(message)
    arrival = arrival or Arrival()
    clock = asyncio.get_running_loop().time
    began = clock()

    def on_bytes() -> None:
        arrival.on_bytes(clock() - began)

    data: dict[str, Buffer] = {header.name: await _read_body(reader, header.nbytes, on_bytes) for header in headers}
    arrival.body_s = clock() - began
    return message, data


async def _read_body(reader: Reader, nbytes: int, on_bytes: Callable[[], None]) -> Buffer:
    on_bytes()
    if nbytes <= _CHUNK_BYTES:
        return await reader.readexactly(nbytes)
    body = bytearray(nbytes)
    for first in range(0, nbytes, _CHUNK_BYTES):
        last = min(first + _CHUNK_BYTES, nbytes)
        body[first:last] = await reader.readexactly(last - first)
        on_bytes()
    return body
