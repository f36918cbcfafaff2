"""One session on one server of a chain: steps come in, pass through the layers, and go on to the next or to the client.

Runs on the event loop. Steps come from the client, or from the server before, over a stream that joined the session.
One worker takes them in order; reading goes on meanwhile, so that the client's leaving ends everything at once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from meadow_client.errors import BrokenFrameError, MeadowError
from meadow_client.session.codec import pack
from meadow_client.session.pipeline import NEXT_LOST
from meadow_client.session.tensors import from_wire, to_wire
from meadow_client.swarm.node import PeerUnreachableError, Stream
from meadow_client.wire import checks, frames
from meadow_client.wire.messages import (
    VERSION,
    Codec,
    Join,
    Open,
    Opened,
    Queued,
    Reply,
    Request,
    Result,
    Step,
    TensorHeader,
    TensorName,
    Timing,
)
from meadow_engine.runtime.batcher import Batcher, Customer, Output
from meadow_engine.runtime.pool import Account, PagePool
from meadow_engine.runtime.requests import SessionState, Tensors

if TYPE_CHECKING:
    import torch

# Steps that wait for their turn; more are not read, so that senders slow down.
_MOST_WAITING = 16
_LINK_TIMEOUT_S = 5.0
# A session's next server may be replaced a few times.
_MOST_LINKS = 8

Connect = Callable[[str], Awaitable[Stream]]

log = logging.getLogger(__name__)


class RefusedError(MeadowError):
    """Something a client asked for and does not get; only the code goes to it."""

    def __init__(self, code: str) -> None:
        super().__init__(f"refused: {code}")
        self.code = code


@dataclass(frozen=True)
class _Received:
    step: Step
    data: dict[str, bytes]
    receive_s: float


@dataclass
class _Extent:
    """What the steps that were accepted add up to: so many sequences, so many tokens."""

    rows: int = 0
    tokens: int = 0


@dataclass(eq=False)
class ServerSession:
    """The server's end of one client's session."""

    opening: Open
    terms: checks.Terms
    state: SessionState
    batcher: Batcher
    pool: PagePool
    account: Account
    stream: Stream
    connect: Connect
    idle: asyncio.Timeout
    idle_s: float
    on_tokens: Callable[[int], None]
    _links: dict[str, Stream] = field(default_factory=dict)
    _feeds: dict[Stream, asyncio.Timeout] = field(default_factory=dict)
    _is_over: bool = False
    _extent: _Extent = field(default_factory=_Extent)
    _group: asyncio.TaskGroup = field(init=False)

    def __post_init__(self) -> None:
        self._steps: asyncio.Queue[_Received] = asyncio.Queue(_MOST_WAITING)
        self._customer = Customer(self.state, self.account.priority)

    async def run(self, first: Opened) -> None:
        """Say `first` to the client, then take and run its steps until something ends the session.

        Raises: an exception group of what ended it.
        """
        async with asyncio.TaskGroup() as self._group:
            is_linked = self.opening.next is not None and await self._link(self.opening.next)
            self._write(self.stream, msgspec.structs.replace(first, is_linked=is_linked))
            self._group.create_task(self.read(self.stream))
            self._group.create_task(self._work())

    async def _link(self, peer: str) -> bool:
        """Open a stream to the server that comes next; whether that worked."""
        try:
            async with asyncio.timeout(_LINK_TIMEOUT_S):
                stream = await self.connect(peer)
        except (PeerUnreachableError, OSError, TimeoutError, ValueError):
            return False
        self._links[peer] = stream
        stream.writer.writelines(frames.encode(Join(VERSION, self.opening.session or "")))
        self._group.create_task(self._watch(stream))
        return True

    async def _watch(self, link: Stream) -> None:
        """Notice at once when the next server hangs up; what it says here is not for us."""
        with suppress(OSError):
            while await link.reader.read(1024):
                pass
        raise RefusedError(NEXT_LOST)

    async def read(self, stream: Stream) -> None:
        """Take steps from a stream until it ends; the client's end of it or the one of the server before.

        Raises:
            asyncio.IncompleteReadError, OSError: the stream ended.
            BrokenFrameError, RefusedError: a step that does not fit what was agreed or what came before.
        """
        arrival = frames.Arrival()
        while True:
            request, data = await frames.read(
                stream.reader, frames.request_decoder, self._check, self.terms.max_body_bytes, arrival
            )
            if isinstance(request, Step):
                self._busy()
                await self._steps.put(_Received(request, data, arrival.body_s))

    async def feed(self, stream: Stream) -> None:
        """Take steps from the server before, as long as this session lives."""
        if self._is_over:
            raise RefusedError("no-such-session")
        try:
            # Its end comes from `aclose`, also while it waits for the worker to take a step.
            async with asyncio.timeout(None) as self._feeds[stream]:
                await self.read(stream)
        finally:
            self._feeds.pop(stream, None)

    async def _work(self) -> None:
        """Run the steps in their order, for ever.

        Raises:
            RefusedError: there is no memory for a step, or the next server is lost.
            Exception: what the layers raised.
        """
        while True:
            received = await self._steps.get()
            step = received.step
            tensors = {header.name: from_wire(header, received.data[header.name]) for header in step.tensors}
            rows, tokens, _width = tensors["hidden"].shape
            await self._reserve(rows, step.position, tokens)
            to = await self._target(step)

            def send(
                output: Output, received: _Received = received, to: Stream = to, tensors: Tensors = tensors
            ) -> None:
                self._send_on(to, received, tensors, output)

            await self.batcher.step(self._customer, step.position, tensors, send, is_part=step.is_part)
            self.on_tokens(rows * tokens)
            await self._drain(to)
            self.account.is_busy = not self._steps.empty()
            self.account.used_at = asyncio.get_running_loop().time()

    async def aclose(self) -> None:
        """Close the streams from and to other servers."""
        self._is_over = True
        for feeding in self._feeds.values():
            feeding.reschedule(asyncio.get_running_loop().time())
        await asyncio.gather(*(stream.aclose() for stream in self._links.values()))

    async def move_out(self) -> None:
        """Move the cache to host memory, and give its pages back."""
        await self.batcher.run_alone(self.state.move_out)
        self.pool.moved_out(self.account)

    def _busy(self) -> None:
        self.account.is_busy = True
        self.idle.reschedule(asyncio.get_running_loop().time() + self.idle_s)

    def _check(self, request: Request) -> None:
        checks.check_request(request, self.terms)
        if not isinstance(request, Step):
            raise BrokenFrameError("A session takes steps")
        hidden = next(header for header in request.tensors if header.name == "hidden")
        rows, tokens, _width = hidden.shape
        # No gap, and no other batch than before.
        if request.position and (request.position > self._extent.tokens or rows != self._extent.rows):
            raise RefusedError("position-gap")
        self._extent.rows, self._extent.tokens = rows, request.position + tokens

    async def _reserve(self, rows: int, position: int, tokens: int) -> None:
        if position == 0 and (self.account.pages or self.account.host_pages):
            await self.batcher.run_alone(self.state.drop_cache)
            self.pool.moved_back(self.account)
            self.pool.give_back(self.account)
            self.state.is_away = False
        # A cache that moves out while this session stands in line grows from less, and may need more afterwards.
        pages = -1
        while (needed := self.state.pages_for(rows, position, tokens)) != pages:
            pages = needed
            await self.pool.reserve(self.account, pages, self._say_queued)
        if self.state.is_away:
            await self.batcher.run_alone(self.state.move_back)
            self.pool.moved_back(self.account)

    def _say_queued(self, place: int, patience_s: float) -> None:
        self._write(self.stream, Queued(place, patience_s))

    async def _target(self, step: Step) -> Stream:
        if not step.route:
            return self.stream
        peer = step.route[0]
        if peer not in self._links and (len(self._links) >= _MOST_LINKS or not await self._link(peer)):
            raise RefusedError(NEXT_LOST)
        return self._links[peer]

    def _send_on(self, to: Stream, received: _Received, tensors: Tensors, output: Output) -> None:
        step, hidden = received.step, output.hidden
        done = hidden.shape[1]
        timings = _timings(received, output)
        if to is self.stream:
            kept = min(done, max(0, output.position + done - step.keep_from))
            headers, bodies = _packed(hidden[:, done - kept :], step.codec)
            self._write(to, Result(headers, timings, output.position, done), bodies)
            return
        others = _rest(tensors, step.position, output.position, done)
        headers, bodies = _packed(hidden, step.codec, others)
        is_part = step.is_part or done < tensors["hidden"].shape[1]
        onward = Step(output.position, headers, step.route[1:], step.keep_from, is_part, step.codec, timings)
        self._write(to, onward, bodies)

    def _write(self, to: Stream, message: Reply | Step, bodies: list[frames.Buffer] | None = None) -> None:
        with suppress(OSError, RuntimeError):  # a stream that is closing; whoever reads there learns it by itself
            to.writer.writelines(frames.encode(message, bodies or []))

    async def _drain(self, to: Stream) -> None:
        try:
            await to.writer.drain()
        except OSError as error:
            if to is self.stream:
                raise
            raise RefusedError(NEXT_LOST) from error


def _packed(
    hidden: torch.Tensor, codec: Codec, others: Tensors | None = None
) -> tuple[tuple[TensorHeader, ...], list[frames.Buffer]]:
    tensors: dict[TensorName, torch.Tensor] = {**pack(hidden, codec), **(others or {})}
    return to_wire(tensors)


def _timings(received: _Received, output: Output) -> tuple[Timing, ...]:
    """What servers spent on a step until now. What is true of all its parts is said with the first one only."""
    step = received.step
    if output.position == step.position:
        return (*step.timings, Timing(output.queue_s, output.compute_s, received.receive_s))
    return (*(Timing(0.0, 0.0) for _before in step.timings), Timing(output.queue_s, output.compute_s))


def _rest(tensors: Tensors, step_position: int, position: int, tokens: int) -> Tensors:
    """Everything but hidden states that goes along with tokens [position, position + tokens) of a step."""
    first = position - step_position
    rest: dict[TensorName, torch.Tensor] = {}
    for name, tensor in tensors.items():
        if name == "position_ids":
            rest[name] = tensor[:, first : first + tokens]
        elif name == "attention_mask":
            rest[name] = tensor[:, : position + tokens]
        elif name == "beam_idx" and first == 0:
            rest[name] = tensor
    return rest
