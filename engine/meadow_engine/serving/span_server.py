"""Serve a span to every client, and to every server before this one in a chain, that opens a stream.

Shapes and messages: `meadow_client.wire.messages`. Runs on the event loop; layers run on the compute thread.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from meadow_client.errors import BrokenFrameError, MeadowError
from meadow_client.session.tensors import dtype_name
from meadow_client.swarm.node import Stream
from meadow_client.wire import checks, frames
from meadow_client.wire.messages import (
    VERSION,
    Failure,
    Join,
    Open,
    Opened,
    Reply,
)
from meadow_engine.runtime.batcher import Batcher
from meadow_engine.runtime.pool import PagePool
from meadow_engine.runtime.requests import SessionState, StatelessState
from meadow_engine.runtime.span import Span
from meadow_engine.serving.acceptance import RefusedError
from meadow_engine.serving.help import OnHelp, help_counter, nobody_hears
from meadow_engine.serving.links import Connect
from meadow_engine.serving.passes import ServerPasses
from meadow_engine.serving.retention import Retention
from meadow_engine.serving.sessions import ServerSession
from meadow_engine.serving.usage import Usage

MAX_BODY_BYTES = 256 * 1024 * 1024
MAX_STEP_TOKENS = 8192
LAST_READ_S = 0.5
_QUIET_S = 1.0
_LEAVE_POLL_S = 0.02
LAST_READS = 64
LAST_READ_BYTES = 64 * 1024

# Steps of a lower number go first, and their pages are the last to make room.
_OWN_PRIORITY, _PRIORITY = 0, 1

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ServingLimits:
    """Bounds on what clients may do, in seconds; `retained_bytes` is for what all sessions together sent.

    The sessions of `first_peer`, the person's own, go before those of others.
    """

    opening_s: float = 10.0
    idle_s: float = 900.0
    retained_bytes: int = 512 * 1024 * 1024
    first_peer: str = ""


@dataclass
class ServingCounts:
    """What this server did since it started; `sessions` counts those that are open now."""

    sessions: int = 0
    tokens: int = 0


class SpanServer:
    """Answers clients of one span."""

    def __init__(
        self,
        model: str,
        span: Span,
        batcher: Batcher,
        pool: PagePool,
        connect: Connect,
        limits: ServingLimits | None = None,
        on_help: OnHelp = nobody_hears,
    ) -> None:
        """`connect` opens a stream to another server of the swarm, by its peer id.

        `on_help` hears what is computed for others; `first_peer` is not one of them.
        """
        self._model = model
        self._span = span
        self._batcher = batcher
        self._pool = pool
        self._connect = connect
        self._limits = limits or ServingLimits()
        self._on_help = on_help
        widest = span.width * span.dtype.itemsize
        self._max_step_tokens = max(1, min(MAX_STEP_TOKENS, MAX_BODY_BYTES // widest))
        self._sessions: dict[str, ServerSession] = {}
        self._retention = Retention(self._limits.retained_bytes)
        self._has_come: dict[str, asyncio.Event] = {}
        self._streams = 0
        self._is_leaving = False
        self.counts = ServingCounts()

    def usage(self) -> Usage:
        """What clients hold here now; nothing when all of them have left."""
        pool = self._pool
        return Usage(
            sessions=self.counts.sessions,
            streams=self._streams,
            pages=pool.total_pages - pool.free_pages,
            host_pages=pool.total_host_pages - pool.free_host_pages,
            waiting=pool.waiting,
            retained_bytes=self._retention.used_bytes,
        )

    async def leave(self, within_s: float) -> None:
        """Take no new clients, and let those that are here find successors; returns when all have, or after that time.

        Where there is no successor, a session may stay until it has been quiet for a moment.
        """
        self._is_leaving = True
        ends_s = asyncio.get_running_loop().time() + within_s
        for session in self._sessions.values():
            session.leave(within_s)
        if self._sessions:
            log.info("Handing over %d conversations", len(self._sessions))
        while self._sessions and asyncio.get_running_loop().time() < ends_s:
            if all(session.is_released and session.quiet_s() > _QUIET_S for session in self._sessions.values()):
                return
            await asyncio.sleep(_LEAVE_POLL_S)

    async def serve(self, stream: Stream) -> None:
        """Answer one client until it hangs up, or take one server's steps for a session that is open here.

        Trust: `wire/checks.py` has checked every message's shapes, dtypes and sizes against the opening before its
        body was read. A session is reached by its client's stream and by those who know its id, which the client
        chose at random and told the servers of its chain only.
        Ends: the client closes, stays silent for longer than the limits allow, breaks the protocol, or the task
        is cancelled because the span is withdrawn. The cache's memory is given back on every path.
        Errors: clients get a code; nothing a client sends ends more than its own stream.
        """
        self._streams += 1
        try:
            await self._converse(stream)
        except (
            ExceptionGroup,
            MeadowError,
            asyncio.IncompleteReadError,
            OSError,
            RuntimeError,
            ValueError,
            IndexError,
            TypeError,
            KeyError,
        ) as error:
            await self._part(stream, _first(error))
        finally:
            self._streams -= 1

    async def _converse(self, stream: Stream) -> None:
        async with asyncio.timeout(self._limits.opening_s):
            opening, _ = await frames.read(stream.reader, frames.request_decoder, checks.check_opening, 0)
        if isinstance(opening, Join):
            await self._feed(stream, opening)
            return
        if not isinstance(opening, Open):
            raise BrokenFrameError("The first message of a stream must open it")
        self._check_possible(opening)
        dtype = dtype_name(self._span.dtype)
        terms = checks.Terms(
            opening.kind, opening.batch, opening.max_length, self._span.width, dtype, self._max_step_tokens
        )
        opened = Opened(self._span.width, dtype, self._max_step_tokens)  # type: ignore[arg-type]
        self.counts.sessions += 1
        try:
            if opening.session is None:
                await self._answer_stateless(stream, opening, terms, opened)
            else:
                await self._run_session(stream, opening, opening.session, terms, opened)
        finally:
            self.counts.sessions -= 1

    def _check_possible(self, opening: Open) -> None:
        if opening.version != VERSION:
            raise RefusedError("other-version")
        if self._is_leaving:
            raise RefusedError("leaving")
        if opening.model != self._model:
            raise RefusedError("other-model")
        if not self._span.start <= opening.start < opening.end <= self._span.end:
            raise RefusedError("layers-not-here")
        if opening.session in self._sessions:
            raise RefusedError("session-taken")

    async def _run_session(
        self, stream: Stream, opening: Open, session_id: str, terms: checks.Terms, opened: Opened
    ) -> None:
        async def move_out() -> None:
            await session.move_out()

        priority = _OWN_PRIORITY if self._is_own(stream) else _PRIORITY
        async with asyncio.timeout(self._limits.idle_s) as idle:
            with self._pool.account(move_out, priority) as account, self._retention.retaining() as retained:
                session = ServerSession(
                    opening,
                    terms,
                    SessionState(self._span, opening.start, opening.end),
                    self._batcher,
                    self._pool,
                    account,
                    stream,
                    self._connect,
                    idle,
                    self._limits.idle_s,
                    self._counter(stream, opening),
                    self._retention,
                    retained if opening.retain else None,
                )
                with self._known(session_id, session):
                    try:
                        await session.run(opened)
                    finally:
                        await session.aclose()

    @contextmanager
    def _known(self, session_id: str, session: ServerSession) -> Iterator[None]:
        self._sessions[session_id] = session
        if (event := self._has_come.get(session_id)) is not None:
            event.set()
        try:
            yield
        finally:
            del self._sessions[session_id]

    async def _feed(self, stream: Stream, join: Join) -> None:
        if join.version != VERSION:
            raise RefusedError("other-version")
        session = self._sessions.get(join.session)
        if session is None:
            session = await self._wait_for_session(join.session)
        await session.feed(stream)

    async def _wait_for_session(self, session_id: str) -> ServerSession:
        """The client opens all servers of a chain at the same time, so the one before may be here first."""
        event = self._has_come.setdefault(session_id, asyncio.Event())
        try:
            async with asyncio.timeout(self._limits.opening_s):
                await event.wait()
            return self._sessions[session_id]
        except (TimeoutError, KeyError) as error:
            raise RefusedError("no-such-session") from error
        finally:
            self._has_come.pop(session_id, None)

    async def _answer_stateless(self, stream: Stream, opening: Open, terms: checks.Terms, opened: Opened) -> None:
        state, idle_s = StatelessState(self._span, opening.start, opening.end), self._limits.idle_s
        async with asyncio.timeout(idle_s) as idle:
            count = self._counter(stream, opening)
            await ServerPasses(terms, state, self._batcher, stream, idle, idle_s, count).run(opened)

    def _is_own(self, stream: Stream) -> bool:
        return stream.peer == self._limits.first_peer

    def _counter(self, stream: Stream, opening: Open) -> Callable[[int], None]:
        on_help = nobody_hears if self._is_own(stream) else self._on_help
        tell = help_counter(stream.peer, opening, on_help)

        def count(tokens: int) -> None:
            self._count_tokens(tokens)
            tell(tokens)

        return count

    def _count_tokens(self, tokens: int) -> None:
        self.counts.tokens += tokens

    async def _part(self, stream: Stream, error: BaseException) -> None:
        """Say why, where there is somebody to hear it."""
        if isinstance(error, BrokenFrameError):
            log.warning("A peer broke the protocol: %s", error)
        if isinstance(error, MeadowError):
            await self._refuse(stream, error.code)
        elif not isinstance(error, asyncio.IncompleteReadError | OSError | TimeoutError):
            log.error("A request failed on this computer", exc_info=error)
            await self._refuse(stream, "failed")

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


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
