"""Whole texts through the layers and back, without a cache, on one server: the server's end of a stateless stream.

Runs on the event loop. One worker takes the passes in order; reading goes on meanwhile, so that pings are answered at
once and the client's leaving ends everything.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from meadow_client.errors import BrokenFrameError
from meadow_client.session.tensors import from_wire, to_wire
from meadow_client.swarm.node import Stream
from meadow_client.wire import checks, frames
from meadow_client.wire.messages import (
    Backward,
    Forward,
    Opened,
    Ping,
    Pong,
    Reply,
    Request,
    Result,
    TensorName,
    Timing,
)
from meadow_engine.runtime.batcher import Batcher
from meadow_engine.runtime.requests import StatelessState

# Passes that wait for their turn; more are not read. A client that waits for its answers never has one waiting.
_MOST_WAITING = 1
# How often a client hears that a long message is still coming in.
_PONG_S = 0.3

_Received = tuple[Forward | Backward, Mapping[str, frames.Buffer]]


@dataclass(eq=False)
class ServerPasses:
    """The passes of one client; `idle` ends them `idle_s` after the last answer."""

    terms: checks.Terms
    state: StatelessState
    batcher: Batcher
    stream: Stream
    idle: asyncio.Timeout
    idle_s: float
    on_tokens: Callable[[int], None]
    _said_alive_s: float = 0.0
    _unanswered: int = 0

    def __post_init__(self) -> None:
        self._requests: asyncio.Queue[_Received] = asyncio.Queue(_MOST_WAITING)

    async def run(self, first: Opened) -> None:
        """Say `first` to the client, then answer it until something ends the stream.

        Raises: an exception group of what ended it.
        """
        async with asyncio.TaskGroup() as group:
            self._write(first)
            group.create_task(self._read())
            group.create_task(self._work())

    async def _read(self) -> None:
        """Take requests until the stream ends.

        Raises:
            asyncio.IncompleteReadError, OSError: it ended.
            BrokenFrameError: something that was not agreed came.
        """

        def check(request: Request) -> None:
            checks.check_request(request, self.terms)

        arrival = frames.Arrival(self._say_alive)
        reader, limit = self.stream.reader, self.terms.max_body_bytes
        while True:
            request, data = await frames.read(reader, frames.request_decoder, check, limit, arrival)
            if isinstance(request, Ping):
                self._write(Pong())
                # Who asks and asks, and takes no answer, is not read any more.
                await self.stream.writer.drain()
            elif isinstance(request, Forward | Backward):
                self._unanswered += 1
                self._idle_until(None)
                await self._requests.put((request, data))
            else:
                raise BrokenFrameError("A stateless stream takes passes forward and backward")

    async def _work(self) -> None:
        """Run the passes in their order, for ever.

        Raises:
            OSError, TimeoutError: the client takes no answers.
            Exception: what the layers raised.
        """
        while True:
            await self._answer(*await self._requests.get())
            self._unanswered -= 1
            if self._unanswered == 0:
                self._idle_until(asyncio.get_running_loop().time() + self.idle_s)

    async def _answer(self, request: Forward | Backward, data: Mapping[str, frames.Buffer]) -> None:
        tensors = {header.name: from_wire(header, data[header.name]) for header in request.tensors}
        name: TensorName = "hidden" if isinstance(request, Forward) else "grad"
        run = self.state.forward if isinstance(request, Forward) else self.state.backward
        done = await self.batcher.run_alone(run, tensors)
        rows, tokens, _width = tensors["hidden"].shape
        self.on_tokens(rows * tokens)
        headers, bodies = to_wire({name: done.value})
        self._write(Result(headers, (Timing(done.queue_s, done.compute_s),)), bodies)
        async with asyncio.timeout(self.idle_s):
            await self.stream.writer.drain()

    def _idle_until(self, when_s: float | None) -> None:
        if not self.idle.expired():
            self.idle.reschedule(when_s)

    def _say_alive(self, seconds: float) -> None:
        """A message is coming in that may take long: the client hears so, as its pings wait behind it."""
        now_s = asyncio.get_running_loop().time()
        if seconds > _PONG_S and now_s - self._said_alive_s > _PONG_S:
            self._said_alive_s = now_s
            self._write(Pong())

    def _write(self, reply: Reply, bodies: list[frames.Buffer] | None = None) -> None:
        self.stream.writer.writelines(frames.encode(reply, bodies or []))
