"""Every count as a line: day, model, other computer, what was given or taken. GUI thread."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QSize

from meadow_desktop.credits.view import RowView
from meadow_desktop.language import _
from meadow_desktop.windows.plain_table import PlainTable

_PEER = 3


class RowTable(PlainTable):
    """The lines, the latest first."""

    def __init__(self) -> None:
        titles = (
            _("Day"),
            _("Direction"),
            _("Model"),
            _("Other computer"),
            _("Tokens"),
            _("Credits"),
            _("Conversations"),
        )
        super().__init__(titles, figures=(4, 5, 6), wide=2)
        self.setObjectName("contribution-rows")
        self.setAccessibleName(_("Counts by day, model and computer"))

    def sizeHint(self) -> QSize:
        """Asks for its least height and takes what is left, so that not both the table and its page scroll."""
        return QSize(super().sizeHint().width(), self.minimumHeight())

    def show_rows(self, rows: Sequence[RowView]) -> None:
        """Fill the lines."""
        with self.filling(len(rows)):
            for number, row in enumerate(rows):
                texts = (row.day, row.direction, row.model, row.peer, row.tokens, row.credits, row.conversations)
                for column, text in enumerate(texts):
                    self.show_cell(number, column, text, row.whole_peer if column == _PEER else text)
