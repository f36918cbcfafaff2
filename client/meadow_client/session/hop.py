"""One server of a chain, at the client's end: an open stream. Runs on the event loop.

A broken stream, a silent server and a broken frame all become ServerLostError; an error code becomes
ServerRefusedError.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Literal, Protocol

import torch

from meadow_client.errors import BrokenFrameError, MeadowError, ServerLostError, ServerRefusedError, UsageError
from meadow_client.routing.chains import Leg
from meadow_client.session.tensors import dtype_named, from_wire, to_wire
from meadow_client.session.watch import LOOK_S, Watch
from meadow_client.swarm.node import NodeDownError, PeerUnreachableError, Stream, SwarmNode
from meadow_client.wire import checks, frames
from meadow_client.wire.messages import (
    PROTOCOL,
    Address,
    Backward,
    Failure,
    Filled,
    Forward,
    HandOver,
    Leaving,
    Notice,
    Open,
    Opened,
    Ping,
    Pong,
    Queued,
    Reach,
    Reached,
    Release,
    Reply,
    Resend,
    Result,
    Step,
    TensorHeader,
    TensorName,
)

Kind = Literal["session", "stateless"]
Tensors = Mapping[TensorName, torch.Tensor]

_PROBE_S = 0.005

log = logging.getLogger(__name__)


class Listener(Protocol):
    """Who hears what a server says."""

    def on_result(self, hop: Hop, result: Result, data: Mapping[str, frames.Buffer], receive_s: float, /) -> None: ...

    def on_queued(self, hop: Hop, queued: Queued, /) -> None: ...

    def on_notice(self, hop: Hop, notice: Notice, /) -> None: ...

    def on_failed(self, hop: Hop, error: MeadowError, /) -> None: ...


class Hop:
    """An open stream to the server of one leg."""

    def __init__(
        self,
        stream: Stream,
        leg: Leg,
        terms: checks.Terms,
        request_timeout_s: float,
        is_linked: bool = False,
        session: str = "",
        silence_s: float = 1.0,
    ) -> None:
        """`request_timeout_s` and `silence_s` are for stateless requests; see `Watch`."""
        self._stream = stream
        self._request_timeout_s, self._silence_s = request_timeout_s, silence_s
        self._request: _Request | None = None
        self._listener: Listener | None = None
        self._hearing: asyncio.Task[None] | None = None
        self.leg = leg
        self.terms = terms
        self.address = Address(leg.peer, session)
        self.is_linked = is_linked
        """Whether the server has a stream to the next one of the chain."""
        self.failed: MeadowError | None = None
        """Why nothing more will be heard of this server."""
        self.has_computed = False
        """Whether it has computed for any token of its session."""
        self.heard_s = 0.0
        """When it was last heard of, by the loop's clock."""
        self.leaves_s: float | None = None
        """When the server ends, if it said that it will."""
        self.on_leaving: Callable[[Hop], None] = _nobody
        self._filled: asyncio.Future[int] | None = None
        self._reached: tuple[Address, asyncio.Future[bool]] | None = None
        self.pinged_s: float | None = None
        """Since when a sign of life has been waited for."""

    @classmethod
    async def open(
        cls,
        node: SwarmNode,
        leg: Leg,
        opening: Open,
        connect_timeout_s: float,
        request_timeout_s: float,
        silence_s: float = 1.0,
    ) -> Hop:
        """Open a stream and agree on its terms.

        Raises:
            ServerLostError: the server cannot be reached.
            TimeoutError: that takes longer than `connect_timeout_s`.
            ServerRefusedError: it does not want to.
            NodeDownError: nobody can be reached now, because of this computer.
        """
        stream: Stream | None = None
        try:
            async with asyncio.timeout(connect_timeout_s):
                stream = await node.open(leg.peer, PROTOCOL)
                stream.writer.writelines(frames.encode(opening))
                # The answer for a session waits for its next server; another one comes at once.
                async with asyncio.timeout(None if opening.session else LOOK_S + silence_s):
                    reply, _ = await frames.read(stream.reader, frames.reply_decoder, checks.check_opened, 0)
        except NodeDownError:
            raise
        except (PeerUnreachableError, OSError, asyncio.IncompleteReadError, BrokenFrameError) as error:
            if stream is not None:
                await stream.aclose()
            raise lost(leg, "cannot be reached") from error
        except BaseException:
            if stream is not None:
                await stream.aclose()
            raise
        if isinstance(reply, Opened):
            terms = checks.Terms(
                opening.kind,
                opening.batch,
                opening.max_length,
                reply.width,
                reply.dtype,
                reply.max_step_tokens,
            )
            hop = cls(stream, leg, terms, request_timeout_s, reply.is_linked, opening.session or "", silence_s)
            hop._start_hearing()
            return hop
        await stream.aclose()
        raise refused(leg, reply)

    async def send(
        self, message: Step | Resend | Reach | HandOver | Release, bodies: Sequence[frames.Buffer] = ()
    ) -> None:
        """Send a request of a session.

        Raises:
            ServerLostError: the stream is broken.
        """
        try:
            self._stream.writer.writelines(frames.encode(message, bodies))
            await self._stream.writer.drain()
        except (OSError, RuntimeError) as error:
            raise lost(self.leg) from error

    def expect_pages(self) -> asyncio.Future[int]:
        """Up to which token the cache will be filled once all pages have come from another server."""
        self._filled = asyncio.get_running_loop().create_future()
        if self.failed is not None:
            self._filled.cancel()
        return self._filled

    async def reach(self, address: Address, patience_s: float) -> bool:
        """Have the server connect to another one; whether it has. Silence means no, and so does its end.

        Not for two at once. It needs seconds for somebody who does not answer, and steps go on meanwhile.
        """
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._reached = (address, answer)
        try:
            async with asyncio.timeout(patience_s):
                await self.send(Reach(address))
                return self.failed is None and await answer
        except (ServerLostError, TimeoutError):
            return False
        finally:
            self._reached = None

    def ping(self) -> None:
        """Ask for a sign of life, and note when (`pinged_s`); whatever is heard next is one."""
        self.pinged_s = asyncio.get_running_loop().time()
        with suppress(OSError, RuntimeError):  # a stream that is closing: its end is heard
            self._stream.writer.writelines(frames.encode(Ping()))

    def listen(self, listener: Listener) -> None:
        """From now on, tell `listener` what the server says."""
        self._listener = listener
        if self.failed is not None:
            listener.on_failed(self, self.failed)

    def _start_hearing(self) -> None:
        self._hearing = asyncio.get_running_loop().create_task(self._hear())

    async def _hear(self) -> None:
        try:
            await self._take_replies()
        except (OSError, asyncio.IncompleteReadError):
            self._fail(lost(self.leg))
        except BrokenFrameError as error:
            log.info("A server broke the protocol: %s", error)
            self._fail(lost(self.leg, "sent something that is no answer"))

    async def _take_replies(self) -> None:
        reader, limit = self._stream.reader, self.terms.max_body_bytes
        arrival = frames.Arrival(lambda _seconds: self._heard())
        while True:
            reply, data = await frames.read(reader, frames.reply_decoder, self._check, limit, arrival)
            self._heard()
            listener = self._listener
            if isinstance(reply, Leaving):
                self.leaves_s = asyncio.get_running_loop().time() + reply.within_s
                self.on_leaving(self)
            elif isinstance(reply, Filled) and self._filled is not None and not self._filled.done():
                self._filled.set_result(reply.end)
            elif isinstance(reply, Reached):
                self._end_reach(reply.is_linked, reply.to)
            if listener is None or isinstance(reply, Pong | Leaving | Filled | Reached):
                continue
            if isinstance(reply, Result):
                listener.on_result(self, reply, data, arrival.body_s)
            elif isinstance(reply, Queued):
                listener.on_queued(self, reply)
            elif isinstance(reply, Notice):
                listener.on_notice(self, reply)
            else:
                self._fail(refused(self.leg, reply))
                return

    def _check(self, reply: Reply) -> None:
        if self.terms.kind == "session":
            checks.check_session_reply(reply, self.terms)
        elif self._request is not None:
            checks.check_result(reply, self._request.wanted, self._request.shape, self.terms)
        elif not isinstance(reply, Pong | Failure):
            raise BrokenFrameError("An answer came that nobody asked for")

    def _heard(self) -> None:
        self.heard_s, self.pinged_s = asyncio.get_running_loop().time(), None

    def _fail(self, error: MeadowError) -> None:
        self.failed = self.failed or error
        if self._filled is not None and not self._filled.done():
            self._filled.cancel()
        self._end_reach(False)
        if self._listener is not None:
            self._listener.on_failed(self, self.failed)

    def _end_reach(self, is_linked: bool, address: Address | None = None) -> None:
        """The answer to `reach`, if this is the server that was asked for (None: nobody will be reached any more)."""
        if self._reached is not None and address in (None, self._reached[0]) and not self._reached[1].done():
            self._reached[1].set_result(is_linked)

    def give_up(self, why: str) -> None:
        """Wait for nothing more from this server."""
        self._fail(lost(self.leg, why))

    async def forward(self, tensors: Tensors) -> torch.Tensor:
        """The output [B, T, D] of a stateless pass.

        Raises:
            ServerLostError, ServerRefusedError: the server failed, now or earlier; this hop is of no use any more.
            UsageError: no server takes so many tokens at once.
        """
        headers, bodies = self._packed(tensors)
        return await self._ask(Forward(headers), bodies, "hidden", tensors["hidden"])

    async def backward(self, tensors: Tensors) -> torch.Tensor:
        """The gradient with respect to `hidden`, from `grad` with respect to the output; raises as `forward`."""
        headers, bodies = self._packed(tensors)
        return await self._ask(Backward(headers), bodies, "grad", tensors["hidden"])

    def abort(self) -> None:
        """Break the stream off, as a network that fails would."""
        self._stream.abort()

    async def aclose(self) -> None:
        """Close the stream, which ends at once what the server does for it."""
        if self.failed is not None:
            self._stream.abort()  # nobody takes what still waits to be sent
        if self._hearing is not None:
            self._hearing.cancel()
        try:
            if self._hearing is not None:
                await asyncio.gather(self._hearing, return_exceptions=True)
        finally:  # also when somebody has no time to wait
            await self._stream.aclose()

    def _packed(self, tensors: Tensors) -> tuple[tuple[TensorHeader, ...], list[frames.Buffer]]:
        batch, tokens, _width = tensors["hidden"].shape
        if batch * tokens > self.terms.max_step_tokens:
            raise UsageError(
                f"{batch * tokens} tokens are more than computers of the swarm take at once"
                f" ({self.terms.max_step_tokens})",
                "Use smaller batches or shorter texts.",
            )
        wanted = dtype_named(self.terms.dtype)
        return to_wire({name: t.to(wanted) if t.is_floating_point() else t for name, t in tensors.items()})

    async def _ask(
        self, message: Forward | Backward, bodies: list[frames.Buffer], wanted: TensorName, like: torch.Tensor
    ) -> torch.Tensor:
        """A stateless request and its answer. Not for two at once."""
        if self.failed is not None:
            raise self.failed
        request = self._request = _Request(wanted, tuple(like.shape))
        self.listen(request)
        watch = Watch([self], self, self._request_timeout_s, self._silence_s)
        watch.start()
        try:
            # All of it is in the stream's buffer at once; that it goes out is seen by what comes back.
            self._stream.writer.writelines(frames.encode(message, bodies))
            received = await request.answer
        except (OSError, RuntimeError) as error:
            self._fail(lost(self.leg))
            raise lost(self.leg) from error
        except BaseException:
            # What comes now would be taken for the answer to something else.
            self._fail(lost(self.leg, "was asked for something that nobody waits for"))
            raise
        finally:
            watch.stop()
            self._request = self._listener = None
        if received is None:
            raise self.failed or lost(self.leg)
        result, data = received
        return from_wire(result.tensors[0], data[wanted]).to(like.device, like.dtype)


class _Request:
    """A stateless request: `answer` is None when its server failed."""

    def __init__(self, wanted: TensorName, shape: tuple[int, ...]) -> None:
        self.wanted, self.shape = wanted, shape
        loop = asyncio.get_running_loop()
        self.answer: asyncio.Future[tuple[Result, Mapping[str, frames.Buffer]] | None] = loop.create_future()

    def on_result(self, _hop: Hop, result: Result, data: Mapping[str, frames.Buffer], _receive_s: float) -> None:
        self._take((result, data))

    def on_failed(self, _hop: Hop, _error: MeadowError) -> None:
        self._take(None)

    def on_queued(self, hop: Hop, queued: Queued) -> None:
        """Only sessions stand in line."""

    def on_notice(self, hop: Hop, notice: Notice) -> None:
        """Only sessions have a next server."""

    def _take(self, answer: tuple[Result, Mapping[str, frames.Buffer]] | None) -> None:
        if not self.answer.done():
            self.answer.set_result(answer)


async def probe(hops: Sequence[Hop], silence_s: float) -> None:
    """Learn which of these servers are alive; afterwards the others have failed (`Hop.failed`)."""
    for hop in hops:
        if hop.failed is None:
            hop.ping()
    deadline_s = asyncio.get_running_loop().time() + silence_s
    while waiting := [hop for hop in hops if hop.failed is None and hop.pinged_s is not None]:
        if asyncio.get_running_loop().time() > deadline_s:
            for hop in waiting:
                hop.failed = lost(hop.leg, "is silent")
            return
        await asyncio.sleep(_PROBE_S)


def _nobody(_hop: Hop) -> None:
    """Nobody minds that it leaves."""


def lost(leg: Leg, why: str = "stopped answering") -> ServerLostError:
    return ServerLostError(leg.peer, leg.start, leg.end, why)


def refused(leg: Leg, reply: Reply) -> ServerRefusedError:
    code = reply.code if isinstance(reply, Failure) else "broken-frame"
    return ServerRefusedError(leg.peer, leg.start, leg.end, code)
