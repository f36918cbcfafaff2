"""Widgets in a line that goes on below where the width ends, from either side. GUI thread."""

from __future__ import annotations

from PySide6.QtCore import QPoint, QRect, QSize, Qt
from PySide6.QtWidgets import QLayout, QLayoutItem, QWidget


class FlowLayout(QLayout):
    """As words in a paragraph. A widget that is wider than the whole line is made as narrow as that."""

    def __init__(self, parent: QWidget | None = None, gap: int = 6, line_gap: int = 4) -> None:
        super().__init__(parent)
        self._items: list[QLayoutItem] = []
        self._gap, self._line_gap = gap, line_gap
        self.setContentsMargins(0, 0, 0, 0)

    def addItem(self, item: QLayoutItem) -> None:
        """Behind the others."""
        self._items.append(item)

    def count(self) -> int:
        """How many there are, hidden ones too."""
        return len(self._items)

    def itemAt(self, index: int) -> QLayoutItem | None:
        """None behind the last."""
        return self._items[index] if 0 <= index < len(self._items) else None

    def takeAt(self, index: int) -> QLayoutItem | None:
        """Remove one."""
        return self._items.pop(index) if 0 <= index < len(self._items) else None

    def expandingDirections(self) -> Qt.Orientation:
        """It takes no more room than it needs."""
        return Qt.Orientation(0)

    def hasHeightForWidth(self) -> bool:
        """A narrow line needs more lines."""
        return True

    def heightForWidth(self, width: int) -> int:
        """In pixels."""
        return self._arrange(QRect(0, 0, width, 0), moves=False)

    def minimumSize(self) -> QSize:
        """As narrow as one likes, one line high."""
        heights = [item.sizeHint().height() for item in self._items if not item.isEmpty()]
        return QSize(20, max(heights, default=0))

    def sizeHint(self) -> QSize:
        """All in one line."""
        shown = [item.sizeHint() for item in self._items if not item.isEmpty()]
        width = sum(size.width() for size in shown) + self._gap * max(0, len(shown) - 1)
        return QSize(width, max((size.height() for size in shown), default=0))

    def setGeometry(self, rect: QRect) -> None:
        """Put them there."""
        super().setGeometry(rect)
        self._arrange(rect, moves=True)

    def _arrange(self, rect: QRect, *, moves: bool) -> int:
        lines: list[list[tuple[QLayoutItem, int]]] = []
        used = 0
        for item in self._items:
            if item.isEmpty():
                continue
            width = min(item.sizeHint().width(), rect.width())
            if not lines or used + self._gap + width > rect.width():
                lines.append([])
                used = -self._gap
            lines[-1].append((item, width))
            used += self._gap + width
        top = rect.top()
        for line in lines:
            height = max(item.sizeHint().height() for item, _width in line)
            if moves:
                self._put_line(line, rect, top, height)
            top += height + self._line_gap
        return max(0, top - self._line_gap - rect.top()) if lines else 0

    def _put_line(self, line: list[tuple[QLayoutItem, int]], rect: QRect, top: int, height: int) -> None:
        parent = self.parentWidget()
        mirrored = parent is not None and parent.layoutDirection() == Qt.LayoutDirection.RightToLeft
        total = sum(width for _item, width in line) + self._gap * (len(line) - 1)
        at_end = bool(self.alignment() & Qt.AlignmentFlag.AlignTrailing)
        left = rect.width() - total if at_end else 0
        for item, width in line:
            size = QSize(width, item.sizeHint().height())
            x = rect.right() + 1 - left - width if mirrored else rect.left() + left
            item.setGeometry(QRect(QPoint(x, top + (height - size.height()) // 2), size))
            left += width + self._gap
