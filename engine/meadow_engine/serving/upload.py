"""Keep what this computer sends for others under a rate, whoever it is for.

Frames with tensors wait for their turn: streams take turns frame by frame, and within a frame its bytes go out in
pieces at the rate that is allowed, so that the receiver gets some of them again and again and does not take this
server for dead. Frames without tensors (signs of life, places in a queue, notices) pass those that wait, but never cut
one that is under way; the order of all others on a stream stays. Runs on the event loop, with one timer for all
streams.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import suppress

from meadow_client.swarm.node import Writer
from meadow_client.wire.frames import Buffer
from meadow_engine.serving.pace import Pace

# Half of what a receiver waits for before it notes that something came.
_LEAST_PIECE_BYTES = 16 * 1024
# At high rates a piece is what may be sent in this time: more timers would only cost.
_PIECE_S = 0.01
_WHOLE_BYTES = 1 << 40
# With more than this waiting on a stream, `drain` waits, as it does for a socket.
_HIGH_WATER_BYTES = 64 * 1024


class Upload:
    """The way out that all streams share."""

    def __init__(self, bytes_per_s: float = 0.0) -> None:
        """0: no limit; nothing waits then."""
        self._pace = Pace(bytes_per_s)
        self._turns: deque[PacedWriter] = deque()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def bytes_per_s(self) -> float:
        return self._pace.bytes_per_s

    @bytes_per_s.setter
    def bytes_per_s(self, bytes_per_s: float) -> None:
        """What waits goes on at the new rate at once."""
        self._pace = Pace(bytes_per_s)
        if self._timer is not None:
            self._timer.cancel()
            self._go_on()

    def over(self, writer: Writer) -> PacedWriter:
        """A way to write to this stream that keeps to the rate."""
        return PacedWriter(writer, self)

    def wants_turn(self, writer: PacedWriter) -> None:
        if writer not in self._turns:
            self._turns.append(writer)
        if self._timer is None:
            self._go_on()

    def passed(self, sent_bytes: int) -> None:
        """Something was sent out of turn."""
        self._pace.sent(_now(), sent_bytes)

    def _go_on(self) -> None:
        """Send what may be sent now, and come back when there is more."""
        self._timer = None
        self._drop_closed()
        while self._turns:
            if delay_s := self._pace.delay_s(_now()):
                self._timer = asyncio.get_running_loop().call_later(delay_s, self._go_on)
                return
            writer = self._turns[0]
            self._pace.sent(_now(), writer.send_piece(self._piece_bytes()))
            if writer.is_between_frames:
                self._turns.popleft()
                if writer.waiting_bytes:
                    self._turns.append(writer)

    def _piece_bytes(self) -> int:
        return max(_LEAST_PIECE_BYTES, int(self.bytes_per_s * _PIECE_S)) if self.bytes_per_s else _WHOLE_BYTES

    def _drop_closed(self) -> None:
        for writer in [writer for writer in self._turns if writer.is_broken]:
            self._turns.remove(writer)
            writer.drop()


class PacedWriter:
    """One stream's way out."""

    def __init__(self, writer: Writer, upload: Upload) -> None:
        self._writer = writer
        self._upload = upload
        self._frames: deque[list[memoryview]] = deque()
        self._urgent: list[Buffer] = []
        self._is_closing = False
        self._has_room = asyncio.Event()
        self._is_empty = asyncio.Event()
        self._has_room.set()
        self._is_empty.set()
        self.waiting_bytes = 0
        self.is_between_frames = True

    @property
    def transport(self) -> asyncio.WriteTransport:
        return self._writer.transport

    @property
    def is_broken(self) -> bool:
        """Whether whatever is sent is lost: the stream was closed from outside, or its other end is gone."""
        return self.transport.is_closing()

    def writelines(self, data: Sequence[Buffer], /) -> None:
        """Send one whole frame, at once or when its turn has come."""
        if self._is_closing or self.is_broken:
            self._writer.writelines(data)  # which is lost, or fails, as with any other stream
        elif len(data) > 1 and (self.waiting_bytes or self._upload.bytes_per_s):
            frame = [memoryview(part).cast("B") for part in data if memoryview(part).nbytes]
            self._frames.append(frame)
            self._waits(sum(part.nbytes for part in frame))
            self._upload.wants_turn(self)
        elif self.is_between_frames:
            self._pass(data)
        else:
            self._urgent.extend(data)

    async def drain(self) -> None:
        """Wait until there is room for more.

        Raises:
            OSError: the stream is broken.
        """
        await self._has_room.wait()
        await self._writer.drain()

    def close(self) -> None:
        """Close when everything that waits has been sent."""
        self._is_closing = True
        if self._is_empty.is_set():
            self._writer.close()

    async def wait_closed(self) -> None:
        await self._is_empty.wait()
        await self._writer.wait_closed()

    def send_piece(self, most_bytes: int) -> int:
        """Send the next bytes of the frame that is first; returns how many."""
        frame = self._frames[0]
        piece = frame[0][:most_bytes]
        frame[0] = frame[0][most_bytes:]
        if not frame[0].nbytes:
            frame.pop(0)
        self.is_between_frames = not frame
        with suppress(OSError, RuntimeError):  # a stream that is closing; whoever reads there learns it by itself
            self._writer.writelines([piece])
        if self.is_between_frames:
            self._frames.popleft()
            if self._urgent:
                urgent, self._urgent = self._urgent, []
                self._pass(urgent)
        self._waits(-piece.nbytes)
        return piece.nbytes

    def drop(self) -> None:
        """Forget what waits."""
        self._frames.clear()
        self._urgent.clear()
        self.is_between_frames = True
        self._waits(-self.waiting_bytes)

    def _pass(self, data: Sequence[Buffer]) -> None:
        with suppress(OSError, RuntimeError):
            self._writer.writelines(data)
        self._upload.passed(sum(memoryview(part).nbytes for part in data))

    def _waits(self, more_bytes: int) -> None:
        self.waiting_bytes += more_bytes
        if self.waiting_bytes > _HIGH_WATER_BYTES:
            self._has_room.clear()
        else:
            self._has_room.set()
        if self.waiting_bytes:
            self._is_empty.clear()
            return
        self._is_empty.set()
        if self._is_closing:
            self._writer.close()


def _now() -> float:
    return asyncio.get_running_loop().time()
