"""What the running desktop does, as JSON lines on stdout (`--log-json`), so that tests can watch it.

States, counts and places on the screen; never what somebody wrote or read. Threads: GUI thread.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any, TextIO

from PySide6.QtCore import QObject, QPoint, QTimer
from PySide6.QtWidgets import QAbstractButton, QAbstractSpinBox, QApplication, QComboBox, QLineEdit, QWidget

_PLACES_INTERVAL_MS = 150
_KINDS = (QAbstractButton, QLineEdit, QComboBox, QAbstractSpinBox)


class EventLog:
    """Writes events; a disabled one swallows them."""

    def __init__(self, out: TextIO | None) -> None:
        self._out = out

    @property
    def is_enabled(self) -> bool:
        """Somebody reads it."""
        return self._out is not None

    def write(self, event: str, **members: Any) -> None:
        """One event as one line."""
        if self._out is None:
            return
        line = json.dumps({"event": event, "at": round(time.monotonic(), 3), **members}, ensure_ascii=False)
        try:
            self._out.write(line + "\n")
            self._out.flush()
        except OSError:  # the reader has gone; the desktop goes on
            self._out = None


def make_event_log(enabled: bool) -> EventLog:
    """An event log on stdout, or one that writes nothing."""
    return EventLog(sys.stdout if enabled else None)


class ControlReporter(QObject):
    """Writes where the named, visible controls are on the screen, which are switched on, and which has the keyboard.

    Whenever that changed: tests click there, or wait until Tab has led there. What is written in fields is not told.
    """

    def __init__(self, log: EventLog, parent: QObject) -> None:
        super().__init__(parent)
        self._log = log
        self._last: tuple[dict[str, list[int]], list[str], str] = ({}, [], "")
        timer = QTimer(self, interval=_PLACES_INTERVAL_MS)
        timer.timeout.connect(self._report)
        if log.is_enabled:
            timer.start()

    def _report(self) -> None:
        controls: dict[str, list[int]] = {}
        checked: list[str] = []
        for top in QApplication.topLevelWidgets():
            if top.isVisible():
                for widget in top.findChildren(QWidget):
                    if _is_control(widget):
                        corner = widget.mapToGlobal(QPoint(0, 0))
                        place = (corner.x(), corner.y(), widget.width(), widget.height())
                        ratio = widget.devicePixelRatioF()  # the screen's own points, where a pointer is moved to
                        controls[widget.objectName()] = [round(each * ratio) for each in place]
                        if isinstance(widget, QAbstractButton) and widget.isChecked():
                            checked.append(widget.objectName())
        focused = QApplication.focusWidget()
        now = (controls, checked, focused.objectName() if focused is not None else "")
        if now != self._last:
            self._last = now
            self._log.write("controls", controls=controls, checked=checked, focused=now[2])


def _is_control(widget: QWidget) -> bool:
    name = widget.objectName()
    if not name or name.startswith("qt_") or not widget.isVisible():
        return False
    if isinstance(widget, _KINDS):
        return widget.isEnabled() and not widget.visibleRegion().isEmpty()
    return name in {"composer-text", "transcript", "conversation-list"}
