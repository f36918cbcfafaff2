"""Settings under one heading. GUI thread.

A row costs milliseconds to make, so rows are made one at a time by whoever calls `make_next`; those that are there are
drawn at once. They stay: nobody loses the keyboard because a value came in.
"""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QVBoxLayout, QWidget

from meadow_desktop.settings.rows import GroupView
from meadow_desktop.windows.settings.setting_row import SettingRow
from meadow_desktop.windows.settings.words import make_words


class GroupSection(QWidget):
    """A heading, perhaps something above the rows, and the rows."""

    change_asked = Signal(str, object)  # name, Value
    reset_asked = Signal(str)
    restart_asked = Signal()

    def __init__(self, view: GroupView, top: QWidget | None = None) -> None:
        super().__init__()
        self._view = view
        self._query = ""
        self._rows: dict[str, SettingRow] = {}
        self._top = top
        self._heading = make_words(view.title, "headline")
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(8)
        self._column.addWidget(self._heading)
        self._column.addSpacing(4)
        if top is not None:
            self._column.addWidget(top)
            self._column.addSpacing(6)

    def show_group(self, view: GroupView) -> None:
        """Draw the values of the rows that are made."""
        self._view = view
        for row in view.rows:
            if (known := self._rows.get(row.name)) is not None:
                known.show_row(row)

    def make_next(self) -> bool:
        """Make one more row; False when there is none to make."""
        missing = next((row for row in self._view.rows if row.name not in self._rows), None)
        if missing is None:
            return False
        made = self._rows[missing.name] = SettingRow(missing)
        made.change_asked.connect(self.change_asked)
        made.reset_asked.connect(self.reset_asked)
        made.restart_asked.connect(self.restart_asked)
        self._column.addWidget(made)
        made.setVisible(missing.has_words(self._query))
        return True

    def count_matches(self, query: str) -> int:
        """How many settings have the words of the query."""
        return sum(row.has_words(query) for row in self._view.rows)

    def show_matches(self, query: str) -> None:
        """Only the rows that have the words; all for none."""
        self._query = query
        for row in self._rows.values():
            row.setVisible(row.row.has_words(query))
        if self._top is not None:
            self._top.setVisible(not query)
