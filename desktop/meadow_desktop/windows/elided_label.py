"""One line of plain text that ends in "…" where it does not fit, with the whole of it as tooltip. GUI thread."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QLabel, QSizePolicy, QWidget

from meadow_desktop.windows.direction import in_own_direction


class ElidedLabel(QLabel):
    """A label that never makes its window wider."""

    def __init__(self, parent: QWidget | None = None, *, is_quoted: bool = False) -> None:
        super().__init__(parent)
        self._is_quoted = is_quoted  # the words are not the window's: a title, a path
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def minimumSizeHint(self) -> QSize:
        """Narrow; as tall as a line."""
        return QSize(30, self.fontMetrics().height() + 2)

    def sizeHint(self) -> QSize:
        """As wide as the text."""
        return QSize(self.fontMetrics().horizontalAdvance(self.text()) + 2, self.fontMetrics().height() + 2)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw as much as fits."""
        words = in_own_direction(self.text()) if self._is_quoted else self.text()
        text = self.fontMetrics().elidedText(words, Qt.TextElideMode.ElideRight, self.width())
        self.setToolTip(self.text() if text != words else "")
        painter = QPainter(self)
        painter.drawText(self.rect(), self.alignment() | Qt.AlignmentFlag.AlignVCenter, text)
        painter.end()
