"""A caret that stops blinking while nobody types: every blink wakes the computer, and the display server with it.

Qt's carets blink as long as their field has the focus, day and night. Here they stand still after a while, and blink
again with the next key, click or focus. Threads: GUI thread.
"""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, QTimer
from PySide6.QtWidgets import QApplication, QWidget

REST_AFTER_MS = 20_000

_WAKING = {QEvent.Type.KeyPress, QEvent.Type.MouseButtonPress, QEvent.Type.InputMethod}


class RestingCaret(QObject):
    """Watches the field that has the focus, as long as this object lives."""

    def __init__(self, application: QApplication, rest_after_ms: int = REST_AFTER_MS) -> None:
        super().__init__(application)
        self._flash_ms = QApplication.cursorFlashTime()
        self._quiet = QTimer(self, singleShot=True, interval=rest_after_ms)
        self._quiet.timeout.connect(self._rest)
        application.focusChanged.connect(self._watch)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Qt's: every event of the watched field passes here, and goes on to it."""
        if event.type() in _WAKING:
            self._blink()
        return False

    def _watch(self, before: QWidget | None, now: QWidget | None) -> None:
        if before is not None:
            before.removeEventFilter(self)
        if now is not None:
            now.installEventFilter(self)
            self._blink()
        else:
            self._quiet.stop()

    def _blink(self) -> None:
        if QApplication.cursorFlashTime() == 0 and self._flash_ms != 0:
            QApplication.setCursorFlashTime(self._flash_ms)
        self._quiet.start()

    def _rest(self) -> None:
        QApplication.setCursorFlashTime(0)
