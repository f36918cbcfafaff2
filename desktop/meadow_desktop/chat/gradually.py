"""Does long work in short steps between the events of the window, so that it never stands still. GUI thread."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from PySide6.QtCore import QObject, QTimer


class Gradually(QObject):
    """Runs iterators one after the other, one step in each turn of the event loop."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._works: deque[Iterator[object]] = deque()
        self._timer = QTimer(self, interval=0)
        self._timer.timeout.connect(self._step)

    @property
    def is_busy(self) -> bool:
        """Something is left to do."""
        return bool(self._works)

    def begin(self, work: Iterator[object]) -> None:
        """Do all steps of this when what came before it is done."""
        self._works.append(work)
        self._timer.start()

    def stop(self) -> None:
        """Leave the rest undone."""
        self._works.clear()
        self._timer.stop()

    def _step(self) -> None:
        if not self._works:
            self._timer.stop()
            return
        work = self._works[0]
        is_done = True
        try:
            is_done = next(work, self) is self
        finally:  # work that fails is not begun again
            if is_done and self._works and self._works[0] is work:
                self._works.popleft()
