"""A sentence and advice above the conversation, until the person has read it. GUI thread."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from meadow_desktop.language import _
from meadow_desktop.phrases import describe_problem
from meadow_desktop.windows.announcing import announce
from meadow_engine.api.errors import Problem


class NoticeBar(QWidget):
    """Hidden while there is nothing to say; then the room above and below it, in pixels, is not taken either."""

    def __init__(self, room: int = 0, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        frame = QFrame()
        frame.setObjectName("warning")
        self._words = QLabel()
        self._words.setWordWrap(True)
        self._words.setTextFormat(Qt.TextFormat.PlainText)
        self._words.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        close = QPushButton(_("Dismiss"))
        close.setObjectName("dismiss-notice")
        close.setProperty("kind", "quiet")
        close.clicked.connect(self.hide)
        row = QHBoxLayout(frame)
        row.setContentsMargins(14, 8, 8, 8)
        row.addWidget(self._words, 1)
        row.addWidget(close, 0, Qt.AlignmentFlag.AlignTop)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, room, 0, room)
        column.addWidget(frame)
        self.hide()

    def show_problem(self, problem: Problem) -> None:
        """Say it, instead of what was said before."""
        self._words.setText(describe_problem(problem))
        self.show()
        announce(self._words, self._words.text())
