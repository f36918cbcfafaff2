"""Watches which thread touches widgets: Qt allows one only, and says nothing until it crashes.

What Python code calls is seen; what Qt calls by itself is on the right thread anyway.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from PySide6.QtCore import QThread
from PySide6.QtWidgets import (
    QAbstractButton,
    QApplication,
    QLabel,
    QLayout,
    QLineEdit,
    QListWidget,
    QPlainTextEdit,
    QProgressBar,
    QStackedWidget,
    QTextEdit,
    QWidget,
)

# Nothing virtual: Qt would call what stands here in place of its own.
WATCHED: tuple[tuple[type, tuple[str, ...]], ...] = (
    (QWidget, ("update", "repaint", "show", "hide", "setEnabled", "setGeometry", "resize", "move", "setFocus",
               "setToolTip", "setAccessibleName", "setStyleSheet", "setProperty", "raise_", "activateWindow")),
    (QLabel, ("setText",)),
    (QAbstractButton, ("setText", "setChecked")),
    (QLineEdit, ("setText", "clear")),
    (QTextEdit, ("setMarkdown", "setPlainText")),
    (QPlainTextEdit, ("setPlainText", "appendPlainText")),
    (QListWidget, ("addItem", "takeItem", "clear")),
    (QProgressBar, ("setValue",)),
    (QStackedWidget, ("addWidget", "setCurrentWidget", "setCurrentIndex")),
    (QLayout, ("addWidget", "removeWidget")),
)  # fmt: skip


@dataclass
class Touches:
    """How often widgets were touched, and by which other threads."""

    count: int = 0
    strangers: list[str] = field(default_factory=list)


@contextmanager
def watched_widgets() -> Iterator[Touches]:
    """Notes every touch while the block runs. What was bound to a method before is not seen."""
    touches = Touches()
    kept: list[tuple[type, str, Any]] = []
    try:
        for kind, names in WATCHED:
            for name in names:
                original = getattr(kind, name)
                kept.append((kind, name, original))
                setattr(kind, name, _watch(original, f"{kind.__name__}.{name}", touches))
        yield touches
    finally:
        for kind, name, original in kept:
            setattr(kind, name, original)


def _watch(original: Callable[..., Any], name: str, touches: Touches) -> Callable[..., Any]:
    def call(*arguments: Any, **named: Any) -> Any:
        touches.count += 1
        application = QApplication.instance()
        if application is not None and QThread.currentThread() != application.thread():
            touches.strangers.append(f"{name} on {threading.current_thread().name}")
        return original(*arguments, **named)

    return call
