"""What has come to one session and waits for its turn, and signs of life for those whose own messages wait behind it.

Runs on the event loop. Readers of several streams put, one worker gets. While nothing is read from a stream, or a long
message is still coming in, pings behind it are not answered: the client, and whoever sends, hear that we are alive.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from meadow_client.session.tensors import from_wire
from meadow_client.swarm.node import Stream
from meadow_client.wire import frames
from meadow_client.wire.messages import Pages, Pong, Resend, Step
from meadow_engine.runtime.requests import Tensors

# Steps that wait for their turn; more are not read, so that senders slow down.
_MOST_WAITING = 16
# How often a client hears that a long message is still coming in.
_PONG_S = 0.3


@dataclass(frozen=True)
class Received:
    """A message that waits for its turn; its tensors' bytes took `receive_s` seconds to come."""

    request: Step | Resend | Pages
    data: Mapping[str, frames.Buffer]
    receive_s: float

    def tensors(self) -> Tensors:
        headers = () if isinstance(self.request, Resend) else self.request.tensors
        return {header.name: from_wire(header, self.data[header.name]) for header in headers}


class Arrivals:
    """Messages in the order in which they came; `client` is the session's own stream."""

    def __init__(self, client: Stream, write: Callable[[Stream, Pong], None]) -> None:
        """`write` sends without waiting, also to a stream that is closing."""
        self._client = client
        self._write = write
        self._waiting: asyncio.Queue[Received] = asyncio.Queue(_MOST_WAITING)
        self._said_alive_s = 0.0

    @property
    def is_empty(self) -> bool:
        return self._waiting.empty()

    def watch(self, stream: Stream) -> frames.Arrival:
        """For whoever reads this stream: measures how long messages take to come, and says meanwhile that we live."""

        def on_bytes(seconds: float) -> None:
            if seconds > _PONG_S:
                self._say_alive(stream)

        return frames.Arrival(on_bytes)

    async def put(self, received: Received, stream: Stream) -> None:
        """Wait for a place among the steps; nothing is read meanwhile, so say that this server is alive."""
        while self._waiting.full():
            try:
                async with asyncio.timeout(_PONG_S):
                    await self._waiting.put(received)
                return
            except TimeoutError:
                self._say_alive(stream)
        self._waiting.put_nowait(received)

    async def get(self) -> Received:
        return await self._waiting.get()

    def _say_alive(self, stream: Stream) -> None:
        """A message is coming in that may take long: whoever waits for a sign of life behind it gets one."""
        now_s = asyncio.get_running_loop().time()
        if now_s - self._said_alive_s > _PONG_S:
            self._said_alive_s = now_s
            for one in {id(self._client): self._client, id(stream): stream}.values():
                self._write(one, Pong())
