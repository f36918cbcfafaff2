"""Where the person types what to look for in all conversations. GUI thread."""

from __future__ import annotations

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QLineEdit

from meadow_desktop.language import _
from meadow_desktop.windows.chat.own_escape import claim_escape


class SearchField(QLineEdit):
    """Up and down choose among the results, Esc ends the search."""

    moved = Signal(int)
    left = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("search")
        self.setAccessibleName(_("Search in all conversations"))
        self.setPlaceholderText(_("Search"))
        self.setToolTip(_("Search in all conversations (Ctrl+F)"))
        self.setClearButtonEnabled(True)

    def event(self, event: QEvent) -> bool:
        """Esc belongs to this field while it has the keyboard."""
        return claim_escape(event) or super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Keys that do not write are reported."""
        if event.key() in {Qt.Key.Key_Down, Qt.Key.Key_Up}:
            self.moved.emit(1 if event.key() == Qt.Key.Key_Down else -1)
        elif event.key() == Qt.Key.Key_Escape:
            self.left.emit()
        else:
            super().keyPressEvent(event)
