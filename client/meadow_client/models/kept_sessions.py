"""Sessions between two answers: kept on a shelf, given to the next answer that they help, closed when they fall off.

Closing a session waits for the event loop, so it happens on the answers' worker threads. While the shelf is empty, no
timer is set.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from meadow_client.errors import MeadowError
from meadow_client.models.shelf import Shelf
from meadow_client.session.inference import InferenceSession
from meadow_client.session.swarm_client import Waiting

_LEAST_TIMER_S = 1.0

log = logging.getLogger(__name__)


class Line:
    """A session, and who hears now that it waits: it belongs to one answer after the other."""

    def __init__(self, model: Any, max_length: int) -> None:
        self.tell: Callable[[Waiting], None] | None = None
        self.session: InferenceSession = model.remote.inference_session(max_length, on_waiting=self._on_waiting)

    def known_ids(self) -> list[int] | None:
        """The text in its cache; None where that is not certain."""
        tokens = self.session.tokens
        if tokens is None or tuple(tokens.shape) != (1, self.session.position):
            return None
        return [int(token) for token in tokens[0].tolist()]

    def close(self) -> None:
        """On a worker thread."""
        try:
            self.session.close()
        except (CancelledError, MeadowError, OSError, RuntimeError) as error:
            log.info("A session was not closed well: %s", type(error).__name__)

    def _on_waiting(self, waiting: Waiting) -> None:
        tell = self.tell
        if tell is not None:
            tell(waiting)


class KeptSessions:
    """The shelf of one model's answers, and what happens to that which falls off."""

    def __init__(self, shelf: Shelf[Line], threads: ThreadPoolExecutor) -> None:
        self._shelf = shelf
        self._threads = threads
        self._timer: asyncio.TimerHandle | None = None

    def take(self, ids: Sequence[int]) -> tuple[Line, int] | None:
        """A session that knows the beginning of a text, and how many of its tokens; nobody else gets it now."""
        return self._shelf.take(ids)

    def keep(self, line: Line, loop: asyncio.AbstractEventLoop) -> None:
        """On a worker thread: keep a session for the next question, if it is certain what it knows."""
        line.tell = None
        ids = line.known_ids()
        self._close_all([line] if not ids else self._shelf.put(ids, line))
        with suppress(RuntimeError):  # the loop has ended, and with it the swarm
            loop.call_soon_threadsafe(self._watch, loop)

    def close(self) -> list[Future[None]]:
        """Let go of everything, also of what would be kept later; gives what remains to be waited for."""
        return self._close_all(self._shelf.close())

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """Wake up when the next session falls off; never, while there is none."""
        if self._timer is not None:
            self._timer.cancel()
        next_s = self._shelf.next_s()
        self._timer = None if next_s is None else loop.call_later(max(_LEAST_TIMER_S, next_s), self._expire, loop)

    def _expire(self, loop: asyncio.AbstractEventLoop) -> None:
        self._close_all(self._shelf.expire())
        self._watch(loop)

    def _close_all(self, lines: Iterable[Line]) -> list[Future[None]]:
        closings = []
        for line in lines:
            try:
                closings.append(self._threads.submit(line.close))
            except RuntimeError:  # no new work after the end: this is an answer's own thread
                line.close()
        return closings
