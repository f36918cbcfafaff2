"""Keeps the desktop linked to an engine: finds the running one, or starts one, and follows its status.

    engine.json ──► GET /api/events ──► Connected(status) ──► … the stream ends ──► look again, start again
                    (policy: `link_policy.py`)

Threads: GUI thread. While connected nothing polls; otherwise four times a second. Errors: never raised, they are
the `Unreachable` state.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtCore import QObject, QTimer, Signal

from meadow_desktop.engine.api_request import ApiRequest
from meadow_desktop.engine.client import EngineClient, StatusStream
from meadow_desktop.engine.link_policy import EngineExit, LinkFacts, decide, present
from meadow_desktop.engine.link_state import Connected, LinkState, Searching
from meadow_desktop.engine.process import EngineProcess
from meadow_desktop.language import _
from meadow_engine.api.commands import PauseLength
from meadow_engine.api.errors import Problem
from meadow_engine.api.places import Places, RunningEngine, read_running_engine
from meadow_engine.api.status import EngineStatus

TICK_MS = 250
LIVED_WELL_S = 60.0

log = logging.getLogger(__name__)

EngineFactory = Callable[[QObject], EngineProcess]


@dataclass(frozen=True)
class _Exit:
    code: int | None
    last_words: Problem | None
    had_connected: bool
    at: float
    in_a_row: int


class EngineLink(QObject):
    """The one link to the engine. `factory` makes an engine to start, or is None to only ever attach."""

    changed = Signal(object)  # LinkState
    sharing_failed = Signal(object)  # Problem
    closed = Signal()

    def __init__(
        self,
        places: Places,
        factory: EngineFactory | None,
        clock: Callable[[], float] = time.monotonic,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._places = places
        self._factory = factory
        self._clock = clock
        self._began_at = clock()
        self._state: LinkState = Searching(_("Looking for the engine…"))
        self._client: EngineClient | None = None
        self._stream: StatusStream | None = None
        self._failed_record: tuple[RunningEngine, float] | None = None
        self._lost_at: float | None = None
        self._child: EngineProcess | None = None
        self._child_started_at = 0.0
        self._child_connected = False
        self._exit: _Exit | None = None
        self._is_sharing_pending = False
        self._is_closing = False
        self._ticks = QTimer(self, interval=TICK_MS)
        self._ticks.timeout.connect(self._tick)

    @property
    def state(self) -> LinkState:
        """What is known now."""
        return self._state

    @property
    def client(self) -> EngineClient | None:
        """The way to the engine while connected."""
        return self._client if isinstance(self._state, Connected) else None

    @property
    def is_sharing_pending(self) -> bool:
        """A command about sharing has not been answered yet."""
        return self._is_sharing_pending

    def begin(self) -> None:
        """Start looking."""
        self._ticks.start()
        self._tick()

    def retry(self) -> None:
        """The person does not want to wait for the next attempt."""
        self._exit = None
        self._lost_at = None
        self._began_at = self._clock()
        self._tick()

    def set_sharing(self, enabled: bool) -> None:
        """Tell the engine that the person agrees to sharing, or no longer does."""
        self._command(lambda client: client.set_sharing(enabled))

    def pause(self, length: PauseLength) -> None:
        """Ask the engine to share nothing for a while."""
        self._command(lambda client: client.pause(length))

    def resume(self) -> None:
        """Ask the engine to end a pause."""
        self._command(lambda client: client.resume())

    def share_anyway(self, code: str) -> None:
        """Ask the engine to let one reason not count for an hour."""
        self._command(lambda client: client.share_anyway(code))

    def close(self) -> None:
        """Let go of the engine; one that we started is ended first. `closed` follows."""
        if self._is_closing:
            return
        self._is_closing = True
        self._ticks.stop()
        child = self._child
        if self._stream is not None:
            self._stream.close()
        if child is None:
            self.closed.emit()
        else:
            child.close()

    def _tick(self) -> None:
        if self._is_closing or self._stream is not None:
            return
        record = read_running_engine(self._places)
        facts = self._facts(record)
        match decide(facts):
            case "connect" if record is not None:
                self._connect(record)
            case "start" if self._factory is not None:
                self._start(self._factory)
            case _:
                pass
        if not isinstance(self._state, Connected):
            self._show(present(self._facts(record)))

    def _facts(self, record: RunningEngine | None) -> LinkFacts:
        now = self._clock()
        failed = self._failed_record
        ended = self._exit
        return LinkFacts(
            has_record=record is not None,
            record_failed_s=now - failed[1] if failed is not None and failed[0] == record else None,
            child_runs=self._child is not None,
            may_start=self._factory is not None,
            searching_s=now - self._began_at,
            lost_s=None if self._lost_at is None else now - self._lost_at,
            last_exit=None
            if ended is None
            else EngineExit(ended.code, ended.last_words, ended.had_connected, now - ended.at, ended.in_a_row),
        )

    def _command(self, send: Callable[[EngineClient], ApiRequest[EngineStatus]]) -> None:
        """One at a time: a click that comes before the last one was answered is not heard."""
        client = self.client
        if client is None or self._is_sharing_pending:
            return
        self._is_sharing_pending = True
        send(client).done.connect(self._take_sharing)

    def _connect(self, record: RunningEngine) -> None:
        client = EngineClient(record, self)
        stream = client.watch_status()
        self._client, self._stream = client, stream
        self._ticks.stop()  # the stream tells everything, and a tray that waits should not wake the computer
        stream.status_arrived.connect(self._take_status)
        stream.ended.connect(self._lose)

    def _take_status(self, status: EngineStatus) -> None:
        if self._is_closing:
            return
        is_ours = self._child is not None and self._child.pid == status.pid
        if is_ours:
            self._child_connected = True
        self._failed_record = None
        self._lost_at = None
        self._show(Connected(status, is_ours))

    def _lose(self) -> None:
        client, self._client, self._stream = self._client, None, None
        if client is None:
            return
        was_connected = isinstance(self._state, Connected)
        self._failed_record = (client.engine, self._clock())
        self._is_sharing_pending = False
        if not self._is_closing:
            self._ticks.start()
            if was_connected:
                log.info("the engine went away")
                self._lost_at = self._clock()
                self._began_at = self._clock()
                self._show(present(self._facts(read_running_engine(self._places))))
        client.hang_up()
        client.deleteLater()

    def _start(self, factory: EngineFactory) -> None:
        self._child = child = factory(self)
        self._child_started_at = self._clock()
        self._child_connected = False
        child.ended.connect(self._take_exit)
        child.start()

    def _take_exit(self, code: int | None, last_words: Problem | None) -> None:
        self._child = None
        if self._is_closing:
            self.closed.emit()
            return
        now = self._clock()
        lived_well = now - self._child_started_at >= LIVED_WELL_S
        in_a_row = 1 if lived_well or self._exit is None else self._exit.in_a_row + 1
        self._exit = _Exit(code, last_words, self._child_connected, now, in_a_row)
        if self._stream is None:
            self._show(present(self._facts(read_running_engine(self._places))))

    def _take_sharing(self, result: EngineStatus | Problem) -> None:
        self._is_sharing_pending = False
        if isinstance(result, Problem):
            self.sharing_failed.emit(result)
        elif isinstance(self._state, Connected):
            self._state = Connected(result, self._state.is_ours)
        # Always: the switches wait for this, also where the stream brought the same status earlier.
        self.changed.emit(self._state)

    def _show(self, state: LinkState) -> None:
        if state == self._state:
            return
        self._state = state
        self.changed.emit(state)
