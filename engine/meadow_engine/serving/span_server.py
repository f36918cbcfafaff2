"""Serve a span to every client that opens a stream.

Shapes and messages: `meadow_client.wire.messages`. Runs on the event loop; layers run on the compute thread.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass

from meadow_client.errors import BrokenFrameError, MeadowError
from meadow_client.session.tensors import dtype_name, from_wire, to_wire
from meadow_client.swarm.node import Stream
from meadow_client.wire import checks, frames
from meadow_client.wire.messages import (
    VERSION,
    Backward,
    Failure,
    Forward,
    Open,
    Opened,
    Reply,
    Request,
    Result,
    Step,
    TensorName,
)
from meadow_engine.runtime.caches import CacheBudget, Reservation
from meadow_engine.runtime.device import ComputeThread
from meadow_engine.runtime.requests import ClientState
from meadow_engine.runtime.span import Span

MAX_BODY_BYTES = 256 * 1024 * 1024
MAX_STEP_TOKENS = 8192
LAST_READ_S = 0.5
LAST_READS = 64
LAST_READ_BYTES = 64 * 1024

log = logging.getLogger(__name__)


class RefusedError(MeadowError):
    """Something a client asked for and does not get; only the code goes to it."""

    def __init__(self, code: str) -> None:
        super().__init__(f"refused: {code}")
        self.code = code


@dataclass(frozen=True)
class ServingLimits:
    """Bounds on what one client may do, in seconds."""

    opening_s: float = 10.0
    idle_s: float = 900.0


@dataclass
class ServingCounts:
    """What this server did since it started."""

    sessions: int = 0
    tokens: int = 0


class SpanServer:
    """Answers clients of one span."""

    def __init__(
        self,
        model: str,
        span: Span,
        compute: ComputeThread,
        budget: CacheBudget,
        limits: ServingLimits | None = None,
    ) -> None:
        self._model = model
        self._span = span
        self._compute = compute
        self._budget = budget
        self._limits = limits or ServingLimits()
        widest = span.width * span.dtype.itemsize
        self._max_step_tokens = max(1, min(MAX_STEP_TOKENS, MAX_BODY_BYTES // widest))
        self.counts = ServingCounts()

    async def serve(self, stream: Stream) -> None:
        """Answer one client until it hangs up.

        Trust: `wire/checks.py` has checked every message's shapes, dtypes and sizes against the opening before its
        body was read; a client can reach its own session only.
        Ends: the client closes, stays silent for longer than the limits allow, breaks the protocol, or the task
        is cancelled because the span is withdrawn. The cache's memory is given back on every path.
        Errors: clients get a code; nothing a client sends ends more than its own stream.
        """
        try:
            await self._converse(stream)
        except RefusedError as error:
            await self._refuse(stream, error.code)
        except BrokenFrameError as error:
            log.warning("A peer broke the protocol: %s", error)
            await self._refuse(stream, error.code)
        except (asyncio.IncompleteReadError, OSError, TimeoutError):
            pass
        except MeadowError as error:
            await self._refuse(stream, error.code)
        except (RuntimeError, ValueError, IndexError, TypeError, KeyError):
            log.exception("A request failed on this computer")
            await self._refuse(stream, "failed")

    async def _converse(self, stream: Stream) -> None:
        async with asyncio.timeout(self._limits.opening_s):
            opening, _ = await frames.read(stream.reader, frames.request_decoder, checks.check_opening, 0)
        if not isinstance(opening, Open):
            raise BrokenFrameError("The first message of a stream must open it")
        self._check_possible(opening)
        dtype = dtype_name(self._span.dtype)
        terms = checks.Terms(
            opening.kind, opening.batch, opening.max_length, self._span.width, dtype, self._max_step_tokens
        )
        await self._send(stream, Opened(self._span.width, dtype, self._max_step_tokens))  # type: ignore[arg-type]
        client = ClientState(self._span, opening.start, opening.end)
        with self._budget.reserve() as reservation:
            self.counts.sessions += 1
            try:
                while True:
                    await self._answer(stream, client, terms, reservation)
            finally:
                self.counts.sessions -= 1

    def _check_possible(self, opening: Open) -> None:
        if opening.version != VERSION:
            raise RefusedError("other-version")
        if opening.model != self._model:
            raise RefusedError("other-model")
        if not self._span.start <= opening.start < opening.end <= self._span.end:
            raise RefusedError("layers-not-here")

    async def _answer(self, stream: Stream, client: ClientState, terms: checks.Terms, reservation: Reservation) -> None:
        def check(request: Request) -> None:
            checks.check_request(request, terms)
            if isinstance(request, Step):
                batch, tokens, _width = _hidden_shape(request)
                if not client.accepts(batch, request.position):
                    raise RefusedError("position-gap")
                reservation.grow_to(batch * (request.position + tokens))

        async with asyncio.timeout(self._limits.idle_s):
            request, data = await frames.read(stream.reader, frames.request_decoder, check, terms.max_body_bytes)
        if isinstance(request, Open):
            raise BrokenFrameError("A stream is opened only once")
        tensors = {header.name: from_wire(header, data[header.name]) for header in request.tensors}
        name: TensorName = "hidden"
        match request:
            case Step():
                done = await self._compute.run(client.step, request.position, tensors)
            case Forward():
                done = await self._compute.run(client.forward, tensors)
            case Backward():
                name = "grad"
                done = await self._compute.run(client.backward, tensors)
        headers, bodies = to_wire({name: done.value})
        batch, tokens, _width = _hidden_shape(request)
        self.counts.tokens += batch * tokens
        await self._send(stream, Result(headers, done.queue_s, done.compute_s), bodies)

    async def _refuse(self, stream: Stream, code: str) -> None:
        with suppress(OSError, TimeoutError):  # the client may be gone
            await self._send(stream, Failure(code))
            await _read_away(stream)

    async def _send(self, stream: Stream, reply: Reply, bodies: list[frames.Buffer] | None = None) -> None:
        stream.writer.writelines(frames.encode(reply, bodies or []))
        async with asyncio.timeout(self._limits.idle_s):
            await stream.writer.drain()


async def _read_away(stream: Stream) -> None:
    """Take what a refused client has already sent: a socket closed over unread bytes loses the refusal with them."""
    async with asyncio.timeout(LAST_READ_S):
        for _ in range(LAST_READS):
            if not await stream.reader.read(LAST_READ_BYTES):
                return


def _hidden_shape(request: Step | Forward | Backward) -> tuple[int, int, int]:
    header = next(header for header in request.tensors if header.name == "hidden")
    batch, tokens, width = header.shape
    return batch, tokens, width
