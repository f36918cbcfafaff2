"""A table of words and figures to read: no grid, no editing, figures at the end of their column. GUI thread."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem

_START = Qt.AlignmentFlag.AlignLeading | Qt.AlignmentFlag.AlignVCenter
_END = Qt.AlignmentFlag.AlignTrailing | Qt.AlignmentFlag.AlignVCenter
_GAP = 14


class PlainTable(QTableWidget):
    """`figures` are the columns of numbers; the column `wide` takes the room that is left."""

    def __init__(self, titles: Sequence[str], figures: Collection[int], wide: int) -> None:
        super().__init__(0, len(titles))
        self._figures = figures
        self.verticalHeader().hide()
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setTabKeyNavigation(False)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        header = self.horizontalHeader()
        header.setHighlightSections(False)
        header.setSectionsClickable(False)
        for column, title in enumerate(titles):
            item = QTableWidgetItem(title)
            item.setTextAlignment(self._alignment(column))
            self.setHorizontalHeaderItem(column, item)
            fit = QHeaderView.ResizeMode.Stretch if column == wide else QHeaderView.ResizeMode.ResizeToContents
            header.setSectionResizeMode(column, fit)

    def sizeHintForColumn(self, column: int) -> int:
        """As wide as its widest cell, and a little room to the next column."""
        return super().sizeHintForColumn(column) + _GAP

    @contextmanager
    def filling(self, rows: int) -> Iterator[None]:
        """Write so many lines, with `show_cell`. Widths are measured once at the end, and not after every cell."""
        header = self.horizontalHeader()
        fits = [header.sectionResizeMode(column) for column in range(self.columnCount())]
        for column in range(self.columnCount()):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.Fixed)
        try:
            self.setRowCount(rows)
            yield
        finally:
            for column, fit in enumerate(fits):
                header.setSectionResizeMode(column, fit)

    def show_cell(self, row: int, column: int, text: str, tooltip: str) -> QTableWidgetItem:
        """Write one cell anew."""
        item = QTableWidgetItem(text)
        item.setTextAlignment(self._alignment(column))
        item.setToolTip(tooltip)
        self.setItem(row, column, item)
        return item

    def _alignment(self, column: int) -> Qt.AlignmentFlag:
        return _END if column in self._figures else _START
