"""A table of counts may be long, and is drawn anew whenever a count changes: that must not hold the window up."""

from __future__ import annotations

from fakes.desktop_qt import settle
from meadow_desktop.credits.view import RowView
from meadow_desktop.windows.credits.row_table import RowTable

ROWS = [RowView("2026-11-21", "meadow-demo", f"…{n}", "earned", f"{n}", f"{n}", "1", "peer") for n in range(200)]


class MeasuredTable(RowTable):
    """Knows how often its columns were measured, which reads all lines each time."""

    measured = 0

    def sizeHintForColumn(self, column: int) -> int:
        self.measured += 1
        return super().sizeHintForColumn(column)


def test_a_long_table_that_is_drawn_again_measures_its_columns_once_and_not_for_every_cell() -> None:
    table = MeasuredTable()
    table.resize(900, 300)
    table.show()
    table.show_rows(ROWS)
    settle()
    table.measured = 0
    table.show_rows([*ROWS[1:], ROWS[0]])
    settle()
    assert 0 < table.measured < len(ROWS)
    first = table.item(0, 3)
    assert first is not None
    assert first.text() == "…1"
    table.close()
