"""Count what is sent and received for others, and keep the sending under a limit where there is one.

Streams to and from this computer's own engine are left alone: the person's chat is not for others, and never leaves the
computer. What p2pd adds (encryption, the directory, relays) is not seen here, so it is not counted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from meadow_client.swarm.node import Reader, Stream, Writer
from meadow_client.wire.frames import Buffer
from meadow_engine.serving.upload import Upload


class Traffic:
    """`sent_bytes` and `received_bytes` since the beginning, over all streams."""

    def __init__(self, upload: Upload | None = None, own_peer: str = "") -> None:
        self.upload = upload or Upload()
        self._own_peer = own_peer
        self.sent_bytes = 0
        self.received_bytes = 0

    def over(self, stream: Stream) -> Stream:
        """The same stream, counted and limited."""
        if stream.peer == self._own_peer:
            return stream
        writer = self.upload.over(_CountingWriter(stream.writer, self))
        return Stream(stream.peer, _CountingReader(stream.reader, self), writer)


class _CountingReader:
    def __init__(self, reader: Reader, traffic: Traffic) -> None:
        self._reader = reader
        self._traffic = traffic

    async def readexactly(self, n: int, /) -> bytes:
        data = await self._reader.readexactly(n)
        self._traffic.received_bytes += n
        return data

    async def read(self, n: int = -1, /) -> bytes:
        data = await self._reader.read(n)
        self._traffic.received_bytes += len(data)
        return data


class _CountingWriter:
    def __init__(self, writer: Writer, traffic: Traffic) -> None:
        self._writer = writer
        self._traffic = traffic

    @property
    def transport(self) -> asyncio.WriteTransport:
        return self._writer.transport

    def writelines(self, data: Sequence[Buffer], /) -> None:
        self._writer.writelines(data)
        self._traffic.sent_bytes += sum(memoryview(part).nbytes for part in data)

    async def drain(self) -> None:
        await self._writer.drain()

    def close(self) -> None:
        self._writer.close()

    async def wait_closed(self) -> None:
        await self._writer.wait_closed()
