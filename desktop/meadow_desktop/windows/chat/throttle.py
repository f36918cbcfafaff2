"""How often an answer that streams is drawn. GUI thread."""

from __future__ import annotations

import time
from collections.abc import Callable

from PySide6.QtCore import QObject, QTimer


class Throttle(QObject):
    """Runs an action soon, but at most every `least_ms`, and never for more than a quarter of the time."""

    def __init__(self, action: Callable[[], None], least_ms: int = 50, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._action = action
        self._least_s = least_ms / 1000
        self._free_at = 0.0
        self._timer = QTimer(self, singleShot=True)
        self._timer.timeout.connect(self.run)

    def ask(self, after_ms: int = 0) -> None:
        """Run the action when it is allowed again, but not before something more urgent has had its time."""
        if not self._timer.isActive():
            self._timer.start(max(after_ms, round((self._free_at - time.monotonic()) * 1000)))

    def run(self) -> None:
        """Run it now."""
        self._timer.stop()
        began = time.monotonic()
        self._action()
        ended = time.monotonic()
        self._free_at = ended + max(self._least_s - (ended - began), 3 * (ended - began))
