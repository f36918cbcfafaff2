"""One session on one server of a chain: steps come in, pass through the layers, and go on to the next or to the client.

Runs on the event loop. Steps come from the client, or from the server before, over a stream that joined the session.
One worker takes them in order; reading goes on meanwhile, so that the client's leaving ends everything at once.

A session outlives the servers around it. When the next one is lost, the client hears of it and names another; steps
carry an epoch, and those of an earlier one, which may still be on their way, are dropped.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import msgspec

from meadow_client.errors import BrokenFrameError
from meadow_client.session.tensors import to_wire
from meadow_client.swarm.node import Stream
from meadow_client.wire import checks, frames
from meadow_client.wire.messages import (
    CANNOT_GO_BACK,
    NEXT_LOST,
    NOT_RETAINED,
    Address,
    Filled,
    HandOver,
    Leaving,
    Notice,
    NoticeCode,
    Open,
    Opened,
    Pages,
    Ping,
    Pong,
    Queued,
    Reach,
    Reached,
    Release,
    Reply,
    Request,
    Resend,
    Step,
)
from meadow_engine.runtime.batcher import Batcher, Customer, Output
from meadow_engine.runtime.caches import CannotGoBackError
from meadow_engine.runtime.pool import Account, PagePool
from meadow_engine.runtime.requests import SessionState, Tensors
from meadow_engine.serving.acceptance import Acceptance, RefusedError
from meadow_engine.serving.arrivals import Arrivals, Received
from meadow_engine.serving.hand_over import cut_pages, is_first, is_last
from meadow_engine.serving.links import Connect, Links
from meadow_engine.serving.memory import SessionMemory
from meadow_engine.serving.onward import handed_on, onward_step, result_of
from meadow_engine.serving.retention import Retained, Retention

log = logging.getLogger(__name__)


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
    retention: Retention
    retained: Retained | None
    _given_up: int = -1
    _order: int = 0
    _next: Address | None = None
    _successor: Address | None = None
    _feeds: dict[Stream, asyncio.Timeout] = field(default_factory=dict)
    _is_over: bool = False
    _links: Links = field(init=False)
    _group: asyncio.TaskGroup = field(init=False)
    is_released: bool = False
    """Whether the client waits for no successor."""

    def __post_init__(self) -> None:
        self._arrivals = Arrivals(self.stream, self._write)
        self._memory = SessionMemory(self.state, self.batcher, self.pool, self.account, self._say_queued)
        self._customer = Customer(self.state, self.account.priority)
        self._acceptance = Acceptance(self.state.layers)
        self._asides: dict[type[Request], asyncio.Task[None]] = {}

    async def run(self, first: Opened) -> None:
        """Say `first` to the client, then take and run its steps until something ends the session.

        Raises: an exception group of what ended it.
        """
        async with asyncio.TaskGroup() as self._group:
            self._links = Links(self.connect, self._group, self._on_link_lost)
            following = self.opening.next
            is_linked = following is not None and await self._links.reach(following) is not None
            self._write(self.stream, msgspec.structs.replace(first, is_linked=is_linked))
            self._group.create_task(self.read(self.stream))
            self._group.create_task(self._work())

    async def read(self, stream: Stream) -> None:
        """Take steps from a stream until it ends; the client's end of it or the one of the server before.

        Raises:
            asyncio.IncompleteReadError, OSError: the stream ended.
            BrokenFrameError, RefusedError: a step that does not fit what was agreed or what came before.
        """
        arrival = self._arrivals.watch(stream)
        is_client = stream is self.stream
        while True:
            request, data = await frames.read(
                stream.reader, frames.request_decoder, self._check, self.terms.max_body_bytes, arrival
            )
            if isinstance(request, Step | Pages) or (isinstance(request, Resend) and is_client):
                if request.epoch == self._acceptance.epoch:
                    self._busy()
                    await self._arrivals.put(Received(request, data, arrival.body_s), stream)
            elif isinstance(request, Ping):
                self._write(stream, Pong())
            elif is_client:
                self._answer(request)
            else:
                raise BrokenFrameError("A server takes nothing but steps from the one before")

    def _answer(self, request: Request) -> None:
        """What the client asks for beside steps."""
        if isinstance(request, Reach):
            self._do_aside(request, self._reach(request.to))
        elif isinstance(request, HandOver):
            self._successor = request.to
            self._do_aside(request, self._hand_over(request))
        elif isinstance(request, Release):
            self.is_released = True
        else:
            raise BrokenFrameError(f"A {type(request).__name__} does not belong in a session")

    def _do_aside(self, request: Request, doing: Coroutine[Any, Any, None]) -> None:
        """Beside the steps, one of each kind: the client wants the latest only."""
        if (before := self._asides.get(type(request))) is not None:
            before.cancel()
        self._asides[type(request)] = self._group.create_task(doing)

    async def _reach(self, address: Address) -> None:
        is_linked = await self._links.reach(address) is not None
        self._write(self.stream, Reached(address, is_linked))

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
            received = await self._arrivals.get()
            epoch = received.request.epoch
            if epoch == self._acceptance.epoch and epoch > self._given_up:
                try:
                    await self._obey(received)
                except (RefusedError, CannotGoBackError) as error:
                    if error.code == NEXT_LOST:
                        self._give_up(epoch)
                    elif error.code == CANNOT_GO_BACK:
                        self._give_up(epoch, CANNOT_GO_BACK)
                    elif error.code == NOT_RETAINED:
                        # The client goes on by itself, in this epoch.
                        self._write(self.stream, Notice(NOT_RETAINED, epoch))
                    else:
                        raise
            self.account.is_busy = not self._arrivals.is_empty
            self.account.used_at = asyncio.get_running_loop().time()

    async def _obey(self, received: Received) -> None:
        request = received.request
        if isinstance(request, Step):
            await self._run_step(received, request)
        elif isinstance(request, Pages):
            await self._take_pages(received, request)
        else:
            await self._resend(request)

    async def _run_step(self, received: Received, step: Step) -> None:
        tensors = received.tensors()
        rows, tokens, _width = tensors["hidden"].shape
        await self._memory.reserve(rows, step.position, tokens)
        to = await self._target(step)

        def send(output: Output) -> None:
            self._send_on(to, received, step, tensors, output)

        await self.batcher.step(
            self._customer, step.position, self._with_new_order(step, tensors), send, is_part=step.is_part
        )
        self.on_tokens(rows * tokens)
        await self._drain(to)

    def _with_new_order(self, step: Step, tensors: Tensors) -> Tensors:
        """A reordering of rows is taken once, also where its step comes twice because a server was lost."""
        is_known = "beam_idx" in tensors and 0 < step.order <= self._order
        self._order = step.order if step.position == 0 else max(self._order, step.order)
        if not is_known:
            return tensors
        return {name: tensor for name, tensor in tensors.items() if name != "beam_idx"}

    async def _resend(self, request: Resend) -> None:
        """Send what was sent before to another server."""
        kept = self.retained
        if kept is None or not kept.is_whole or kept.history.tokens < request.end:
            raise RefusedError(NOT_RETAINED)
        to = await self._link(request.route[0])
        for position, tensors in kept.history.pieces(request.end, request.piece_tokens):
            headers, bodies = to_wire(tensors)  # type: ignore[arg-type]
            step = Step(
                position,
                headers,
                request.route[1:],
                keep_from=request.end,
                is_part=True,
                epoch=request.epoch,
                order=kept.history.order,
            )
            self._write(to, step, bodies)
            await self._drain(to)

    async def _hand_over(self, request: HandOver) -> None:
        """Send the cache to a successor, while steps go on here."""
        order = self._order  # of a step that comes meanwhile, the client knows
        layers = (await self.batcher.run_alone(self.state.read_pages, request.first)).value
        to = await self._links.reach(request.to)
        if to is None or not layers:
            self._write(self.stream, Filled(0))
            return
        for pages, bodies in cut_pages(layers, request.first, request.epoch, order):
            self._write(to, pages, bodies)
            try:
                await to.writer.drain()
            except OSError:
                self._write(self.stream, Filled(0))
                return

    async def _take_pages(self, received: Received, pages: Pages) -> None:
        """Take a part of the cache from the server that held these layers before."""
        tensors = received.tensors()
        rows = tensors["keys"].shape[0]
        if is_first(pages):
            await self._memory.reserve(rows, pages.first, pages.end - pages.first)
            self._order = pages.order
        else:  # the cache may have moved out since
            await self._memory.reserve(rows, pages.end, 0)
        write = self.state.write_pages
        await self.batcher.run_alone(write, pages.layer, pages.position, tensors["keys"], tensors["values"])
        if is_last(pages, self.state.layers):
            self._write(self.stream, Filled(pages.end))

    def quiet_s(self) -> float:
        """For how many seconds no step has been here."""
        is_idle = self._arrivals.is_empty and not self.account.is_busy
        return asyncio.get_running_loop().time() - self.account.used_at if is_idle else 0.0

    def leave(self, within_s: float) -> None:
        """Tell the client that this server ends soon."""
        self._write(self.stream, Leaving(within_s))

    def _give_up(self, epoch: int, why: NoticeCode = NEXT_LOST) -> None:
        """The client chooses another way; until then, what comes by this one is dropped."""
        self._given_up = max(self._given_up, epoch)
        self._write(self.stream, Notice(why, epoch))

    def _on_link_lost(self, address: Address) -> None:
        if not self._is_over and address == self._successor:
            self._write(self.stream, Filled(0))  # what was still on its way is lost
        if not self._is_over and address == self._next:
            log.debug("The next server %s hung up", address.peer[-8:])
            self._give_up(self._acceptance.epoch)

    async def aclose(self) -> None:
        """Close the streams from and to other servers."""
        self._is_over = True
        self.batcher.forget(self._customer)
        for feeding in self._feeds.values():
            feeding.reschedule(asyncio.get_running_loop().time())
        await self._links.aclose()

    async def move_out(self) -> None:
        """Move the cache to host memory, and give its pages back."""
        await self._memory.move_out()

    def _busy(self) -> None:
        self.account.is_busy = True
        self.idle.reschedule(asyncio.get_running_loop().time() + self.idle_s)

    def _check(self, request: Request) -> None:
        """Before a message's body is read: whether it fits what was agreed, and what came before."""
        checks.check_request(request, self.terms)
        accepted = self._acceptance
        if not isinstance(request, Step | Resend | Pages) or not accepted.is_current(request):
            return
        is_empty = accepted.epoch == 0
        is_new = accepted.begin_epoch(request)
        if isinstance(request, Pages):
            accepted.accept_pages(request)
            return
        self._next = request.route[0] if request.route else None
        if is_new and (self._next is not None or not is_empty):  # a new server is filled before it hands anything on
            self._links.keep_only(self._next, self._successor)
        if isinstance(request, Step):
            accepted.accept_step(request)

    def _say_queued(self, place: int, patience_s: float) -> None:
        self._write(self.stream, Queued(place, patience_s))

    async def _target(self, step: Step) -> Stream:
        return await self._link(step.route[0]) if step.route else self.stream

    async def _link(self, address: Address) -> Stream:
        stream = await self._links.reach(address)
        if stream is None:
            raise RefusedError(NEXT_LOST)
        return stream

    def _send_on(self, to: Stream, received: Received, step: Step, tensors: Tensors, output: Output) -> None:
        onward: Tensors = {}
        if self.retained is not None or to is not self.stream:
            onward = handed_on(step, tensors, output)
        if to is self.stream:
            self._write(to, *result_of(step, output, received.receive_s))
        else:
            self._write(to, *onward_step(step, onward, output, received.receive_s))
        if self.retained is not None:
            # Once the bytes are on their way, and still before anything that comes after this step.
            put = self.retention.put
            asyncio.get_running_loop().call_soon(put, self.retained, output.position, onward, step.order)

    def _write(self, to: Stream, message: Reply | Step | Pages, bodies: list[frames.Buffer] | None = None) -> None:
        with suppress(OSError, RuntimeError):  # a stream that is closing; whoever reads there learns it by itself
            to.writer.writelines(frames.encode(message, bodies or []))

    async def _drain(self, to: Stream) -> None:
        try:
            await to.writer.drain()
        except OSError as error:
            if to is self.stream:
                raise
            raise RefusedError(NEXT_LOST) from error
