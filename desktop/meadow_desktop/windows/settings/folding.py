"""Words with a control beside them, or below where there is not enough room for both. GUI thread."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QBoxLayout, QVBoxLayout, QWidget

_ROOM_FOR_WORDS = 150


class Folding(QWidget):
    """`words` keep at least some room of their own beside the control."""

    def __init__(self, words: QVBoxLayout, control: QWidget) -> None:
        super().__init__()
        self._control = control
        self._layout = QBoxLayout(QBoxLayout.Direction.LeftToRight, self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(16)
        self._layout.addLayout(words, 1)
        self._layout.addWidget(control, 0, Qt.AlignmentFlag.AlignVCenter)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Fold, or unfold."""
        super().resizeEvent(event)
        has_room = self.width() - self._control.sizeHint().width() >= _ROOM_FOR_WORDS
        wanted = QBoxLayout.Direction.LeftToRight if has_room else QBoxLayout.Direction.TopToBottom
        if wanted != self._layout.direction():
            self._layout.setDirection(wanted)
            self._layout.setSpacing(16 if has_room else 8)
            side = Qt.AlignmentFlag.AlignVCenter if has_room else Qt.AlignmentFlag.AlignLeading
            self._layout.setAlignment(self._control, side)
