"""Feels how long Qt's thread is held up: a timer that should beat every 5 ms, and the gaps between its beats."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager

from PySide6.QtCore import QObject, Qt, QTimer

BEAT_MS = 5


class Heartbeat(QObject):
    """Beats while events are handled; a long gap is a window that hung.

    `gaps_ms`: time between beats. `busy_ms`: what this thread computed in each; the rest went to other programs, or
    was waiting. On a computer that others use as well, only `busy_ms` says something about the window.
    """

    def __init__(self) -> None:
        super().__init__()
        self.gaps_ms: list[float] = []
        self.busy_ms: list[float] = []
        self._last, self._last_busy = 0.0, 0.0
        self._timer = QTimer(self, interval=BEAT_MS)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._beat)

    def start(self) -> None:
        """Count from now."""
        self._last, self._last_busy = time.perf_counter(), time.thread_time()
        self._timer.start()

    def stop(self) -> None:
        """Count the gap up to now, too: a block at the very end is one as well."""
        self._beat()
        self._timer.stop()

    @property
    def worst_ms(self) -> float:
        """The longest gap."""
        return max(self.gaps_ms, default=0.0)

    @property
    def worst_busy_ms(self) -> float:
        """The most that was computed in one gap."""
        return max(self.busy_ms, default=0.0)

    def describe(self, what: str) -> str:
        """One line for a test's output."""
        gaps = sorted(self.gaps_ms) or [0.0]
        return (
            f"{what}: gaps worst {self.worst_ms:.1f} ms, 99 % {gaps[int(len(gaps) * 0.99)]:.1f} ms, "
            f"median {statistics.median(gaps):.1f} ms; computing worst {self.worst_busy_ms:.1f} ms"
        )

    def _beat(self) -> None:
        now, busy = time.perf_counter(), time.thread_time()
        self.gaps_ms.append((now - self._last) * 1000)
        self.busy_ms.append((busy - self._last_busy) * 1000)
        self._last, self._last_busy = now, busy


@contextmanager
def beating() -> Iterator[Heartbeat]:
    """A heart that beats as long as the block runs; the block has to handle events."""
    heart = Heartbeat()
    heart.start()
    try:
        yield heart
    finally:
        heart.stop()
