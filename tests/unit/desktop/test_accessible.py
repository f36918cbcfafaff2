"""Whoever sees nothing of it, or has no mouse, can use all of it: each control has a name, and Tab leads to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QAccessible, QKeySequence
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QApplication, QDialog, QPushButton, QRadioButton, QWidget

from fakes.accessible_tree import Read, beyond_tab, controls, let_it_fill, read, without_name
from fakes.desktop_qt import settle, wait_until
from fakes.desktop_window import opened_desktop
from meadow_desktop.chat.words.shortcuts import SHORTCUTS
from meadow_desktop.desktop import Desktop
from meadow_desktop.engine.link import EngineLink
from meadow_desktop.engine.link_state import Connected
from meadow_desktop.fake_engine import FakeEngine
from meadow_desktop.swarm.membership_desk import MembershipDesk
from meadow_desktop.welcome.desk import WelcomeDesk
from meadow_desktop.windows.chat.chat_header import ChatHeader
from meadow_desktop.windows.chat.search_results import SearchResults
from meadow_desktop.windows.chat.transcript import Transcript
from meadow_desktop.windows.settings.section_list import SectionList
from meadow_desktop.windows.settings.week_grid import WeekGrid
from meadow_desktop.windows.swarm.membership_dialog import JoinSwarmDialog, NewSwarmDialog
from meadow_desktop.windows.welcome.welcome_window import WelcomeWindow
from meadow_engine.api.downloads import FetchModel
from meadow_engine.api.places import Places
from meadow_engine.api.swarms import JoinSwarm, NewSwarm

StartEngine = Callable[..., FakeEngine]
PAGES = ("chat", "swarm", "credits", "settings")
OPENED_WITH_KEYS = {"search": "search", "edit-last": "edit-text", "settings": "preset", "rename": "title-field"}


@pytest.fixture
def desktop(application: QApplication, places: Places, start_engine: StartEngine) -> Iterator[Desktop]:
    engine = start_engine("sharing")
    engine.swarms.new(NewSwarm(name="Lab 3"))
    engine.swarms.join(JoinSwarm(invitation="meadow://join?b", name="Lab 4"))
    engine.downloads.obey("/api/downloads", FetchModel(model="meadow/large"))
    with opened_desktop(application, places) as desktop:
        yield desktop


@pytest.mark.parametrize("page", PAGES)
def test_every_control_of_the_window_has_a_name_and_is_reached_by_tab(desktop: Desktop, page: str) -> None:
    window = desktop.window
    window.show_page(page)
    window.come_forward()
    let_it_fill(window)
    assert len(controls(window)) > 5
    assert (without_name(window), beyond_tab(window)) == ([], [])


@pytest.fixture
def link(places: Places, start_engine: StartEngine) -> Iterator[EngineLink]:
    start_engine("off")
    link = EngineLink(places, None)
    link.begin()
    wait_until(lambda: isinstance(link.state, Connected))
    yield link
    link.close()
    settle()


def test_every_control_of_the_first_start_has_a_name_and_is_reached_by_tab(link: EngineLink) -> None:
    window = WelcomeWindow(WelcomeDesk(link, parent=link))
    window.show()
    for name in ("", "choose-share", "choose-new", ""):
        if name:
            chosen = window.findChild(QRadioButton, name)
            assert chosen is not None
            chosen.click()
        settle()
        assert controls(window)
        assert (without_name(window), beyond_tab(window)) == ([], [])
        go_on = window.findChild(QAbstractButton, "welcome-continue")
        assert go_on is not None
        if name or not window.choices.shares:
            go_on.click()
    window.hide()
    window.deleteLater()


@pytest.mark.parametrize("kind", [NewSwarmDialog, JoinSwarmDialog])
def test_every_control_of_the_small_windows_has_a_name_and_is_reached_by_tab(
    link: EngineLink, kind: type[NewSwarmDialog | JoinSwarmDialog]
) -> None:
    parent = QWidget()
    dialog = kind(MembershipDesk(link, parent=link), parent)
    dialog.show()
    settle()
    assert len(controls(dialog)) > 1
    assert (without_name(dialog), beyond_tab(dialog)) == ([], [])
    dialog.close()
    parent.deleteLater()


def answered(desktop: Desktop, *questions: str) -> None:
    for question in questions:
        desktop.desk.ask(question)
        wait_until(lambda: (it := desktop.desk.open_conversation) is not None and not it.is_busy)
    let_it_fill(desktop.window)


def shown_page(desktop: Desktop, page: str) -> list[Read]:
    """The page, as it is read out."""
    desktop.window.show_page(page)
    desktop.window.come_forward()
    let_it_fill(desktop.window)
    return read(desktop.window)


def focus() -> QWidget:
    widget = QApplication.focusWidget()
    assert widget is not None
    return widget


def wait_for_focus(name: str) -> None:
    wait_until(lambda: focus().objectName() == name)


def test_so_has_whatever_is_opened_in_a_conversation(desktop: Desktop) -> None:
    shown_page(desktop, "chat")
    answered(desktop, "one", "two")
    for action, focused in OPENED_WITH_KEYS.items():
        keys = next(each.keys for each in SHORTCUTS if each.action == action)
        QTest.keySequence(desktop.window, QKeySequence(keys))
        wait_for_focus(focused)
        if action == "search":
            QTest.keyClicks(focus(), "two")
            wait_until(lambda: desktop.window.findChildren(SearchResults)[0].model().rowCount() > 0)
        assert (without_name(desktop.window), beyond_tab(desktop.window)) == ([], []), action
        QTest.keyClick(focus(), Qt.Key.Key_Escape)
        settle()


def of_header(window: QWidget) -> ChatHeader:
    header = window.findChild(ChatHeader)
    assert header is not None
    return header


@pytest.mark.parametrize(
    ("page", "open_it"),
    [
        ("chat", lambda window: of_header(window).keyboard_asked.emit()),
        ("chat", lambda window: of_header(window).export_asked.emit("markdown", True)),
        ("chat", lambda window: of_header(window).import_asked.emit()),
        ("swarm", lambda window: window.findChildren(QPushButton, "leave-swarm")[-1].click()),
    ],
    ids=["keys", "export", "import", "confirmation"],
)
def test_every_question_over_the_window_has_names_and_is_answered_with_the_keyboard(
    desktop: Desktop, page: str, open_it: Callable[[QWidget], None]
) -> None:
    shown_page(desktop, page)
    open_it(desktop.window)
    wait_until(lambda: any(each.isVisible() for each in desktop.window.findChildren(QDialog)))
    (dialog,) = [each for each in desktop.window.findChildren(QDialog) if each.isVisible()]
    let_it_fill(dialog)
    said = (without_name(dialog), beyond_tab(dialog), dialog.windowTitle() or dialog.accessibleName())
    QTest.keyClick(dialog, Qt.Key.Key_Escape)
    wait_until(lambda: not any(each.isVisible() for each in desktop.window.findChildren(QDialog)))
    assert said[:2] == ([], [])
    assert said[2]


def test_a_conversation_is_read_in_its_order_and_says_whose_words_they_are(desktop: Desktop) -> None:
    shown_page(desktop, "chat")
    answered(desktop, "one")
    said = [each for each in read(desktop.window) if each.role != QAccessible.Role.EditableText]
    read_out = [each.words.split("\n")[:2] for each in said]
    places = [
        read_out.index(["Your question", "one"]),
        next(n for n, each in enumerate(read_out) if each[0] == "Answer" and each[1].startswith("A swarm is a group")),
        next(n for n, each in enumerate(read_out) if each == ["Code in python", "def run_chain(hidden, servers):"]),
        next(n for n, each in enumerate(read_out) if each[0] == "Answer" and each[1].startswith("Nobody holds the")),
        next(n for n, each in enumerate(read_out) if each[0].startswith("Answered by volunteer-a, layers 0–2;")),
        next(n for n, each in enumerate(read_out) if "tokens/s · first token" in each[0]),
    ]
    assert places == sorted(places)


def test_rows_that_are_made_later_are_read_where_they_stand(desktop: Desktop) -> None:
    shown_page(desktop, "chat")
    answered(desktop, *[f"question {number}" for number in range(5)])
    transcript = desktop.window.findChild(Transcript)
    assert transcript is not None
    for _page in range(10):
        QTest.keyClick(transcript, Qt.Key.Key_PageUp)
        settle()
    let_it_fill(desktop.window)
    asked = [each.value for each in read(desktop.window) if each.name == "Your question" and each.value]
    assert asked == [f"question {number}" for number in range(len(asked))]
    assert len(asked) > 1


def test_who_left_and_who_took_over_is_read_with_the_chain(desktop: Desktop) -> None:
    shown_page(desktop, "chat")
    answered(desktop, "one", "two")  # in every second answer of the fake engine somebody leaves
    said = "\n".join(each.words for each in read(desktop.window))
    assert "volunteer-b, layers 3–5, took over in mid-answer" in said
    assert "desk-2 left; volunteer-b took over in 0.3 s" in said


def test_what_is_drawn_is_also_said(desktop: Desktop) -> None:
    chat = shown_page(desktop, "chat")
    assert any(each.role == QAccessible.Role.Graphic and each.name.startswith("Sharing layers") for each in chat)
    assert any(each.role == QAccessible.Role.ProgressBar and " large: " in each.name for each in chat)
    assert any(each.name.startswith("Room in the model's memory: ") for each in chat)
    swarm = shown_page(desktop, "swarm")
    described = "\n".join(each.description for each in swarm)
    assert "layers 0–2: held by 2 computers, this one among them; layers 3–8: held by 1 computer" in described
    assert "layers 24–39: held by nobody" in described
    credits = shown_page(desktop, "credits")
    (plot,) = [each for each in credits if each.name == "Credits by day"]
    assert "at most 8.61 in a day" in plot.description
    choices = [each for each in credits if each.role == QAccessible.Role.ComboBox]
    assert [each.description for each in choices] == ["Earned or spent", "Model", "Other computer"]


def test_the_hour_at_which_the_keyboard_is_and_its_mark_are_said(desktop: Desktop) -> None:
    shown_page(desktop, "settings")
    grid = desktop.window.findChild(WeekGrid)
    assert grid is not None
    assert grid.accessibleDescription().startswith("Arrow keys choose an hour")
    desktop.window.activateWindow()
    grid.setFocus()
    QTest.keyClick(grid, Qt.Key.Key_Down)
    QTest.keyClick(grid, Qt.Key.Key_Right)
    assert grid.accessibleDescription() == "Tue 01:00–02:00, not marked"
    QTest.keyClick(grid, Qt.Key.Key_Space)
    assert grid.accessibleDescription() == "Tue 01:00–02:00, marked"


def test_every_section_of_the_settings_has_names_and_is_reached_by_tab(desktop: Desktop) -> None:
    shown_page(desktop, "settings")
    sections = desktop.window.findChild(SectionList)
    assert sections is not None
    found = {}
    for row in range(sections.count()):
        sections.setCurrentRow(row)
        let_it_fill(desktop.window)
        found[sections.item(row).text()] = (without_name(desktop.window), beyond_tab(desktop.window))
    assert len(found) > 5
    assert found == dict.fromkeys(found, ([], []))
