"""Where a language begins its lines on the right, so do the pages; time in a plot runs from left to right."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from PySide6.QtCore import QPoint, Qt, QTranslator
from PySide6.QtGui import QColor, QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget

from fakes.desktop_qt import settle
from meadow_desktop.credits.view import DayView
from meadow_desktop.windows.credits.day_plot import DayPlot
from meadow_desktop.windows.direction import in_own_direction, lined_up, margins
from meadow_desktop.windows.qt_language import speak
from meadow_desktop.windows.settings.week_grid import WeekGrid
from meadow_desktop.windows.theme import LIGHT, make_style_sheet
from meadow_desktop.windows.unscrolled import Number

RIGHT_TO_LEFT = Qt.LayoutDirection.RightToLeft


@pytest.fixture
def mirrored(application: QApplication) -> Iterator[None]:
    speak(application, "he")
    assert application.layoutDirection() == RIGHT_TO_LEFT
    yield
    for translator in application.findChildren(QTranslator):
        application.removeTranslator(translator)
        translator.deleteLater()
    speak(application, "en")
    assert application.layoutDirection() == Qt.LayoutDirection.LeftToRight


def shown(widget: QWidget, width: int = 600) -> None:
    widget.resize(width, widget.sizeHint().height())
    widget.show()
    settle()


@pytest.mark.usefixtures("mirrored")
def test_the_week_begins_on_the_right_for_the_eyes_the_pointer_and_the_keys() -> None:
    grid = WeekGrid("Hours")
    told: list[object] = []
    grid.painted.connect(told.append)
    shown(grid)
    grid.show_cells(frozenset({(0, 0)}), can_change=True)
    settle()
    picture = grid.grab().toImage()
    accent = QColor(grid.palette().color(grid.palette().ColorRole.Highlight))
    columns = [x for x in range(picture.width()) if picture.pixelColor(x, grid._top + 9) == accent]
    assert columns
    assert min(columns) > picture.width() / 2
    place = QPoint((min(columns) + max(columns)) // 2, grid._top + 9)
    QTest.mouseClick(grid, Qt.MouseButton.LeftButton, pos=place)
    assert told[-1] == frozenset()
    QTest.mouseClick(grid, Qt.MouseButton.LeftButton, pos=place - QPoint(18, 0))
    assert told[-1] == {(0, 1)}
    QTest.keyClick(grid, Qt.Key.Key_Left)
    QTest.keyClick(grid, Qt.Key.Key_Space)
    assert told[-1] == {(0, 1), (0, 2)}
    grid.close()


def test_the_week_begins_on_the_left_elsewhere() -> None:
    grid = WeekGrid("Hours")
    told: list[object] = []
    grid.painted.connect(told.append)
    shown(grid)
    QTest.mouseClick(grid, Qt.MouseButton.LeftButton, pos=QPoint(grid._left + 9, grid._top + 9))
    QTest.keyClick(grid, Qt.Key.Key_Right)
    QTest.keyClick(grid, Qt.Key.Key_Space)
    assert told[-1] == {(0, 0), (0, 1)}
    grid.close()


@pytest.mark.usefixtures("mirrored")
def test_the_last_day_of_a_plot_is_on_its_right_in_every_language() -> None:
    plot = DayPlot()
    days = [DayView(label=f"day {n}", words=f"words {n}", earned=1.0, spent=0.0) for n in range(30)]
    plot.show_days(days, 1.0, LIGHT)
    shown(plot)
    QTest.mouseMove(plot, QPoint(plot.width() - 12, 60))
    assert plot.chosen == 29
    plot.setFocus()
    QTest.keyClick(plot, Qt.Key.Key_Left)
    assert plot.chosen == 28
    plot.close()


@pytest.mark.usefixtures("mirrored")
def test_figures_names_and_margins_keep_to_the_side_where_lines_begin() -> None:
    assert lined_up("114") == "\u200f114"
    assert lined_up("desk-2 fell\nattic took over").count("\u200f") == 2
    assert lined_up("") == ""
    assert in_own_direction("/srv/models") == "\u2068/srv/models\u2069"
    assert (margins(24, 1, 2, 3).left(), margins(24, 1, 2, 3).right()) == (2, 24)
    number = Number()
    assert number.lineEdit().alignment() & Qt.AlignmentFlag.AlignRight
    number.deleteLater()
    assert "border-left" in make_style_sheet(LIGHT, right_to_left=True).split("#sidebar {")[1].split("}")[0]


def test_words_and_margins_stay_as_they_are_where_lines_begin_on_the_left() -> None:
    assert QGuiApplication.layoutDirection() == Qt.LayoutDirection.LeftToRight
    assert lined_up("desk-2 fell\nattic") == "desk-2 fell\nattic"
    assert in_own_direction("/srv/models") == "/srv/models"
    assert (margins(24, 1, 2, 3).left(), margins(24, 1, 2, 3).right()) == (24, 2)
    assert "border-right" in make_style_sheet(LIGHT).split("#sidebar {")[1].split("}")[0]
