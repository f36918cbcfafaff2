"""A page whose parts stand below one another in a column of readable width, which scrolls. GUI thread."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QScrollArea, QVBoxLayout, QWidget

from meadow_desktop.windows.page import Page

_WIDTH = 900


class ColumnPage(Page):
    """`lines` is the column; it begins with the title, with room for buttons beside it in `first`."""

    def __init__(self, title: str) -> None:
        super().__init__()
        words = QLabel(title)
        words.setProperty("kind", "headline")
        self.first = QHBoxLayout()
        self.first.addWidget(words, 1)
        column = QWidget()
        column.setMaximumWidth(_WIDTH)
        self.lines = QVBoxLayout(column)
        self.lines.setContentsMargins(0, 22, 0, 22)
        self.lines.setSpacing(12)
        self.lines.addLayout(self.first)
        page = QWidget()
        page.setObjectName("page")
        row = QHBoxLayout(page)
        row.setContentsMargins(28, 0, 28, 0)
        row.addStretch(1)
        row.addWidget(column, 1000)
        row.addStretch(1)
        area = QScrollArea()
        area.setAccessibleName(title)
        area.setWidgetResizable(True)
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setWidget(page)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(area)


def muted_label(text: str = "") -> QLabel:
    """A quiet line that wraps, as plain text."""
    label = QLabel(text)
    label.setProperty("kind", "muted")
    label.setWordWrap(True)
    label.setTextFormat(Qt.TextFormat.PlainText)
    return label
