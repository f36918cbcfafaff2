"""Streams between two ends in one process, without sockets: what one end writes, the other one reads."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import torch

from meadow_client.session.tensors import from_wire, to_wire
from meadow_client.swarm.node import Stream
from meadow_client.wire import frames
from meadow_client.wire.messages import Message


class PipeWriter:
    """One end's way out, and its own transport.

    `fails_with` is raised by every drain, `is_stuck` lets none of them end before the stream is aborted; with
    `is_frozen`, what is written is lost, its end, too.
    """

    def __init__(self, far: asyncio.StreamReader, near: asyncio.StreamReader) -> None:
        self._far, self._near = far, near
        self.written = bytearray()
        self.is_closed = False
        self.fails_with: Exception | None = None
        self.is_stuck = False
        self.is_frozen = False
        self.was_aborted = asyncio.Event()

    @property
    def transport(self) -> PipeWriter:
        return self

    def abort(self) -> None:
        self.was_aborted.set()
        self.close()

    def write(self, data: Any) -> None:
        self.writelines([data])

    def writelines(self, parts: Sequence[Any]) -> None:
        for part in parts:
            self.written += part
            if not self.is_closed and not self.is_frozen and not self._far.at_eof() and not _is_ended(self._far):
                self._far.feed_data(bytes(part))

    async def drain(self) -> None:
        if self.fails_with is not None:
            raise self.fails_with
        if self.is_stuck:
            await self.was_aborted.wait()
        if self.is_closed:
            raise ConnectionResetError
        await asyncio.sleep(0)

    def close(self) -> None:
        """Both directions end, as with a socket."""
        if not self.is_closed:
            self.is_closed = True
            if not self.is_frozen:
                self._far.feed_eof()
            self._near.feed_eof()

    async def wait_closed(self) -> None: ...


def _is_ended(reader: asyncio.StreamReader) -> bool:
    return bool(reader._eof)  # type: ignore[attr-defined]


def stream_pair(here: str = "12D3KooWhere", there: str = "12D3KooWthere") -> tuple[Stream, Stream]:
    """Two ends of one stream; each names the peer at the other end."""
    ours, theirs = asyncio.StreamReader(limit=1 << 26), asyncio.StreamReader(limit=1 << 26)
    return (
        Stream(there, ours, PipeWriter(theirs, ours)),  # type: ignore[arg-type]
        Stream(here, theirs, PipeWriter(ours, theirs)),  # type: ignore[arg-type]
    )


def flat(message: Message, **tensors: torch.Tensor) -> bytes:
    """The bytes of a message, with these tensors if it has any."""
    headers, bodies = to_wire(tensors)  # type: ignore[arg-type]
    if tensors:
        message = type(message)(**{**{f: getattr(message, f) for f in message.__struct_fields__}, "tensors": headers})
    return b"".join(bytes(part) for part in frames.encode(message, bodies))


async def hear(stream: Stream, decoder: Any = frames.reply_decoder) -> tuple[Any, dict[str, torch.Tensor]]:
    """The next message at this end, and its tensors."""
    message, data = await frames.read(stream.reader, decoder, lambda _message: None, 1 << 30)
    headers = getattr(message, "tensors", ())
    return message, {header.name: from_wire(header, data[header.name]) for header in headers}
