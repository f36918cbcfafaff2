"""Fields that take Esc for themselves, before it stops an answer. GUI thread."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QWidget


class OwnEscape(QObject):
    """Gives Esc to one widget while the keyboard is in it, or in a part of it that has no use for that key."""

    pressed = Signal()

    def __init__(self, widget: QWidget) -> None:
        super().__init__(widget)
        widget.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Qt first asks who wants the key, or else it is a shortcut; then it comes as an ordinary key."""
        if not isinstance(event, QKeyEvent) or event.key() != Qt.Key.Key_Escape:
            return False
        if event.type() == QEvent.Type.KeyPress:
            self.pressed.emit()
        elif event.type() != QEvent.Type.ShortcutOverride:
            return False
        event.accept()
        return True
