"""Where the person types what to look for in all conversations. GUI thread."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QLineEdit, QToolButton

from meadow_desktop.chat.words.shortcuts import SHORTCUTS
from meadow_desktop.language import _
from meadow_desktop.windows.chat.left_to_window import LeftToWindow
from meadow_desktop.windows.chat.own_escape import OwnEscape


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
        for button in self.findChildren(QToolButton):  # Qt's, which has no name of its own
            button.setAccessibleName(_("Clear the search"))
        OwnEscape(self).pressed.connect(self.left)
        LeftToWindow(self, [each.keys for each in SHORTCUTS if each.action not in {None, "stop"}])

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Up and down are reported."""
        if event.key() in {Qt.Key.Key_Down, Qt.Key.Key_Up}:
            self.moved.emit(1 if event.key() == Qt.Key.Key_Down else -1)
        else:
            super().keyPressEvent(event)
