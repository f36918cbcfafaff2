"""How soon the window is there and how long it was ever held up, as events; for measurements (`--log-blocks`).

    usable     once: the window was drawn and events are handled. `cpu_s`: what the whole program computed until then
    blocked    the window stood still for more than `LONGEST_MS`
    pace       every second: the worst of that second

`ms` is time that passed, `busy_ms` what this thread computed in it, and `own_ms` is `ms` without the time for which
this thread stood in line for a processor that other programs had (Linux tells it; elsewhere it is the same as `ms`).
On a computer that others use as well, only the latter two say something about the window.
Nothing here runs without the option. Threads: GUI thread.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QEvent, QObject, Qt, QTimer
from PySide6.QtWidgets import QWidget

from meadow_desktop.event_log import EventLog

LONGEST_MS = 50.0
_BEAT_MS = 5
_PACE_S = 1.0
_SCHEDULE = Path("/proc/thread-self/schedstat")  # computing, in line, turns: in nanoseconds


class PaceLog(QObject):
    """A timer that should beat every 5 ms; the gaps between its beats are told."""

    def __init__(self, log: EventLog, parent: QObject) -> None:
        super().__init__(parent)
        self._log = log
        self._last = _Moment.now()
        self._told_at = self._last.at
        self._worst = {"ms": 0.0, "busy_ms": 0.0, "own_ms": 0.0}
        timer = QTimer(self, interval=_BEAT_MS)
        timer.setTimerType(Qt.TimerType.PreciseTimer)
        timer.timeout.connect(self._beat)
        timer.start()

    def _beat(self) -> None:
        before, now = self._last, _Moment.now()
        passed = now.at - before.at
        gap = {
            "ms": round(passed * 1000, 1),
            "busy_ms": round((now.busy_s - before.busy_s) * 1000, 1),
            "own_ms": round((passed - (now.in_line_s - before.in_line_s)) * 1000, 1),
        }
        self._worst = {name: max(worst, gap[name]) for name, worst in self._worst.items()}
        if gap["ms"] > LONGEST_MS:
            self._log.write("blocked", **gap)
        if now.at - self._told_at >= _PACE_S:
            self._log.write("pace", **self._worst)
            self._told_at, self._worst = now.at, dict.fromkeys(self._worst, 0.0)
        self._last = now


@dataclass(frozen=True)
class _Moment:
    """Seconds on the clock, and of this thread so far: computing, and in line for a processor."""

    at: float
    busy_s: float
    in_line_s: float

    @classmethod
    def now(cls) -> _Moment:
        try:
            words = _SCHEDULE.read_text(encoding="ascii").split()
        except OSError:
            words = []
        in_line_s = int(words[1]) / 1e9 if len(words) > 1 else 0.0
        return cls(time.perf_counter(), time.thread_time(), in_line_s)


class FirstSight(QObject):
    """Tells when a window was drawn for the first time and the events behind that were handled."""

    def __init__(self, log: EventLog, window: QWidget) -> None:
        super().__init__(window)
        self._log = log
        self._window = window
        window.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Qt's: every event of the window passes here, and goes on to it."""
        if event.type() == QEvent.Type.Paint:
            self._window.removeEventFilter(self)
            QTimer.singleShot(0, self, self._tell)
        return False

    def _tell(self) -> None:
        self._log.write("usable", cpu_s=round(time.process_time(), 3))
