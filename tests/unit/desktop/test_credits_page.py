"""The credits page shows what the engine counted, by day and in words, and makes nothing up."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest
from PySide6.QtCore import QPointF, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QComboBox, QFrame, QScrollArea, QTableWidget

from fakes.desktop_qt import settle, wait_until
from meadow_desktop.credits.desk import CreditsDesk
from meadow_desktop.credits.view import as_csv, describe_credits, present_credits, present_row
from meadow_desktop.engine.link import EngineLink
from meadow_desktop.engine.link_state import Connected
from meadow_desktop.fake_engine import FakeEngine
from meadow_desktop.fakes_of_engine.contributions import fake_contributions
from meadow_desktop.windows.credits.credits_page import CreditsPage
from meadow_desktop.windows.credits.day_plot import DayPlot
from meadow_desktop.windows.theme import DARK, LIGHT
from meadow_engine.api.contributions import ContributionRow, Contributions, DayCount

StartEngine = Callable[..., FakeEngine]
TODAY = date(2026, 11, 21)


def counted(earned: list[float], conversations: int = 0) -> Contributions:
    days = [
        DayCount(
            day=TODAY - timedelta(days=len(earned) - 1 - place),
            earned_credits=credits,
            spent_credits=0,
            tokens_for_others=0,
            tokens_by_others=0,
            conversations=0,
        )
        for place, credits in enumerate(earned)
    ]
    total = sum(earned)
    return Contributions(
        earned_credits=total,
        spent_credits=0,
        balance=total,
        conversations=conversations,
        since=days[0].day if days else None,
        days=days,
    )


@pytest.mark.parametrize(
    ("credits", "words"),
    [
        (0, "0"),
        (0.000001, "<0.00001"),
        (0.00123, "0.00123"),
        (0.1234, "0.123"),
        (4.567, "4.57"),
        (45.67, "45.7"),
        (1234.5, "1,234"),
        (-4.567, "−4.57"),
        (-0.000001, "−<0.00001"),
    ],
)
def test_credits_are_written_as_a_person_reads_them(credits: float, words: str) -> None:
    assert describe_credits(credits) == words


def test_today_the_average_of_seven_days_and_the_total_are_told() -> None:
    view = present_credits(counted([100.0, *[0.0] * 5, 7.0, 14.0], conversations=1300))
    earned = view.figures[1]
    assert (earned.figure, earned.note) == ("121", "today 14.0 · 7-day average 3.00")
    assert view.helped == "About 1,300 conversations helped since 2026-11-14"
    assert view.most == 100.0


def test_nothing_counted_is_said_as_such() -> None:
    view = present_credits(counted([0.0] * 3))
    assert view.helped.startswith("This computer has not helped with a conversation yet.")
    assert {figure.figure for figure in view.figures} == {"0"}
    assert present_credits(counted([])).days == ()


def test_a_row_names_the_other_computer_by_the_end_of_its_id() -> None:
    row = present_row(made_row(model="meadow/x-8B"))
    assert (row.model, row.peer, row.direction, row.tokens) == ("x-8B", "…fghijklm", "earned", "12,000")


def test_a_strangers_name_does_not_become_a_formula_in_a_spreadsheet() -> None:
    lines = list(csv.reader(as_csv([made_row(model="=1+2"), made_row(model="a,b")]).splitlines()))
    assert lines[0] == ["day", "direction", "model", "peer", "tokens", "credits", "conversations"]
    assert [line[2] for line in lines[1:]] == ["'=1+2", "a,b"]


def made_row(model: str) -> ContributionRow:
    return ContributionRow(
        day=TODAY,
        model=model,
        peer="12D3Kabcdefghijklm",
        direction="earned",
        tokens=12000,
        credits=1.5,
        conversations=3,
    )


@pytest.fixture
def page(link: EngineLink, start_engine: StartEngine) -> Iterator[CreditsPage]:
    start_engine("sharing")
    link.begin()
    wait_until(lambda: isinstance(link.state, Connected))
    page = CreditsPage(CreditsDesk(link), LIGHT)
    page.resize(900, 800)
    page.show()
    page.enter()
    wait_until(lambda: table(page).rowCount() > 0 and plot(page).accessibleName() != "")
    yield page
    page.leave()
    page.hide()
    page.deleteLater()
    settle()


def table(page: CreditsPage) -> QTableWidget:
    found = page.findChild(QTableWidget, "contribution-rows")
    assert found is not None
    return found


def plot(page: CreditsPage) -> DayPlot:
    found = page.findChild(DayPlot)
    assert found is not None
    return found


def test_the_plot_tells_the_day_under_the_pointer_and_under_the_keyboard(page: CreditsPage) -> None:
    shown = plot(page)
    wait_until(lambda: bool(shown._days))
    QTest.mouseMove(shown, QPointF(shown.width() - 12.0, 60.0).toPoint())
    wait_until(lambda: shown.chosen == 29)
    today = fake_contributions({"days": "30"}, date.today()).days[-1]
    assert today.day.isoformat() in shown.accessibleDescription()
    shown.setFocus()
    QTest.keyClick(shown, Qt.Key.Key_Left)
    assert shown.chosen == 28
    page.show_theme(DARK)
    assert shown.chosen == 28


def test_in_a_window_of_usual_size_the_table_scrolls_and_its_page_does_not(page: CreditsPage) -> None:
    page.resize(994, 668)
    settle()
    area = page.findChild(QScrollArea)
    assert area is not None
    assert table(page).verticalScrollBar().maximum() > 0
    assert area.verticalScrollBar().maximum() == 0


def test_without_a_row_the_figures_stay_as_high_as_they_are(page: CreditsPage) -> None:
    card = page.findChild(QFrame, "card")
    assert card is not None
    height = card.height()
    page._desk.rows.clear()
    page._draw()
    settle()
    assert not table(page).isVisible()
    assert card.height() == height


def test_rows_are_narrowed_by_direction(page: CreditsPage) -> None:
    box = page.findChild(QComboBox, "filter-direction")
    assert box is not None
    everything = table(page).rowCount()
    box.setCurrentIndex(2)
    wait_until(lambda: 0 < table(page).rowCount() < everything)
    assert {table(page).item(row, 1).text() for row in range(table(page).rowCount())} == {"spent"}


def test_all_rows_are_saved_as_csv(page: CreditsPage, tmp_path: Path) -> None:
    path = tmp_path / "credits.csv"
    page.export_to(path)
    wait_until(path.exists)
    assert len(path.read_text().splitlines()) == table(page).rowCount() + 1


def test_a_folder_that_cannot_be_written_is_told(page: CreditsPage, tmp_path: Path) -> None:
    told: list[object] = []
    page.problem_found.connect(told.append)
    page.export_to(tmp_path / "missing" / "credits.csv")
    wait_until(lambda: bool(told))
    assert "could not be written" in str(told[0])
