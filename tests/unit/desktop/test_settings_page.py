"""The settings page against a fake engine over real sockets: changing, refusing, fixing, searching, and the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QLabel, QLineEdit, QPlainTextEdit, QPushButton, QWidget

from fakes.desktop_qt import settle, wait_until
from meadow_desktop.engine.link import EngineLink
from meadow_desktop.engine.link_state import Connected
from meadow_desktop.fake_engine import FakeEngine
from meadow_desktop.settings.appearance import Appearance, appearance_file, read_appearance
from meadow_desktop.settings.appearance_desk import AppearanceDesk
from meadow_desktop.settings.desk import SettingsDesk
from meadow_desktop.settings.storage import StorageDesk
from meadow_desktop.windows.elided_label import ElidedLabel
from meadow_desktop.windows.main_window import MainWindow
from meadow_desktop.windows.settings.section_list import SectionList
from meadow_desktop.windows.settings.settings_page import SettingsPage
from meadow_desktop.windows.settings.week_grid import WeekGrid
from meadow_desktop.windows.status_strip import Switch
from meadow_desktop.windows.unscrolled import Choice, Number
from meadow_engine.api.errors import Problem
from meadow_engine.api.places import Places
from meadow_engine.api.settings_overview import Value

Widget = TypeVar("Widget", bound=QWidget)
StartEngine = Callable[..., FakeEngine]
LEFT = Qt.MouseButton.LeftButton


@dataclass
class Opened:
    """A window with only this page, linked to an engine."""

    engine: FakeEngine
    link: EngineLink
    desk: SettingsDesk
    page: SettingsPage
    window: MainWindow

    def find(self, kind: type[Widget], name: str) -> Widget:
        found = self.page.findChild(kind, name)
        assert found is not None, name
        return found

    def click(self, name: str) -> None:
        QTest.mouseClick(self.find(QPushButton, name), LEFT)

    def press(self, switch: str) -> None:
        QTest.mouseClick(self.find(Switch, switch), LEFT)

    def value(self, name: str) -> Value:
        assert self.desk.overview is not None
        return next(each.value for each in self.desk.overview.settings if each.name == name)

    def seen(self, name: str) -> bool:
        return self.find(QWidget, name).isVisible()


OpenPage = Callable[..., Opened]


@pytest.fixture
def open_page(places: Places, start_engine: StartEngine) -> Iterator[OpenPage]:
    opened: list[Opened] = []

    def open_it(state: str = "waiting", prepare: Callable[[FakeEngine], object] = lambda engine: None) -> Opened:
        engine = start_engine(state)
        prepare(engine)
        link = EngineLink(places, factory=None)
        link.begin()
        wait_until(lambda: isinstance(link.state, Connected))
        desk = SettingsDesk(link)
        appearance = AppearanceDesk(appearance_file(places), Appearance())
        page = SettingsPage(desk, appearance, StorageDesk(link), places)
        window = MainWindow()
        window.add_page("settings", "Settings", page)
        window.come_forward()
        wait_until(lambda: desk.overview is not None and desk.autostart is not None and page.is_complete)
        settle()
        opened.append(Opened(engine, link, desk, page, window))
        return opened[-1]

    yield open_it
    for each in opened:
        each.link.close()
        each.page.close_files()
        each.window.hide()
        each.window.deleteLater()
    settle()


def test_a_switch_changes_the_setting_at_once_and_can_go_back(open_page: OpenPage) -> None:
    it = open_page()
    it.press("value-share_on_battery")
    wait_until(lambda: it.value("share_on_battery") is True)
    assert it.engine.kept_settings.changes == [{"share_on_battery": True}]
    settle()
    assert it.seen("reset-share_on_battery")
    it.click("reset-share_on_battery")
    wait_until(lambda: it.value("share_on_battery") is False)
    settle()
    assert it.engine.kept_settings.changes[-1] == {"share_on_battery": None}
    assert not it.seen("reset-share_on_battery")
    assert not it.find(Switch, "value-share_on_battery").isChecked()


def test_numbers_choices_and_texts_are_sent_when_they_are_finished(open_page: OpenPage) -> None:
    it = open_page()
    number = it.find(Number, "value-idle_s")
    number.lineEdit().selectAll()
    QTest.keyClicks(number.lineEdit(), "42")
    assert it.engine.kept_settings.changes == []  # not every digit
    QTest.keyClick(number.lineEdit(), Qt.Key.Key_Return)
    wait_until(lambda: it.value("idle_s") == 42)
    choice = it.find(Choice, "value-mode")
    choice.setFocus()
    QTest.keyClick(choice, Qt.Key.Key_Down)
    wait_until(lambda: it.value("mode") == "always")
    it.page.show_section("Model and swarm")
    name = it.find(QLineEdit, "value-public_name")
    name.selectAll()
    QTest.keyClicks(name, "garden")
    QTest.keyClick(name, Qt.Key.Key_Return)
    wait_until(lambda: it.value("public_name") == "garden")


def test_a_refused_value_says_why_beside_it_and_the_old_one_comes_back(open_page: OpenPage) -> None:
    it = open_page()
    number = it.find(Number, "value-cool_again_c")
    number.setValue(100)
    wait_until(lambda: "cool_again_c" in it.desk.refused)
    settle()
    error = it.find(QLabel, "error-cool_again_c")
    assert "cool_again_c (100) has to be lower than too_hot_c (83)" in error.text()
    assert (error.isVisible(), number.value()) == (True, 75)
    number.setValue(70)
    wait_until(lambda: it.value("cool_again_c") == 70)
    settle()
    assert not error.isVisible()


def test_a_fixed_value_cannot_be_changed_and_says_by_what(open_page: OpenPage) -> None:
    it = open_page(prepare=lambda engine: engine.kept_settings.fixed.update(port=("flag", 4711)))
    it.page.show_section("Model and swarm")
    number = it.find(Number, "value-port")
    assert (number.isEnabled(), number.value()) == (False, 4711)
    assert any("--port" in label.text() for label in it.page.findChildren(QLabel) if label.isVisible())
    it.desk.change("port", 1)  # the engine, too, would say no
    wait_until(lambda: "port" in it.desk.refused)
    assert it.desk.refused["port"].code == "setting-fixed"


def test_changes_are_sent_one_after_the_other_and_the_last_wish_counts(open_page: OpenPage) -> None:
    it = open_page()
    for seconds in (10, 20, 30, 40):
        it.desk.change("idle_s", seconds)
    it.desk.change("quiet_s", 5)
    assert dict(it.desk.wanted) == {"idle_s": 40, "quiet_s": 5}
    wait_until(lambda: not it.desk.wanted)
    assert it.engine.kept_settings.changes == [{"idle_s": 10}, {"idle_s": 40}, {"quiet_s": 5}]
    assert (it.value("idle_s"), it.value("quiet_s")) == (40, 5)


def test_lists_grow_and_shrink(open_page: OpenPage) -> None:
    it = open_page()
    field = it.find(QLineEdit, "add-programs")
    for program in ("chess", "blender"):
        QTest.keyClicks(field, program)
        it.click("add-button-programs")
        wait_until(lambda program=program: program in it.value("programs"))  # type: ignore[operator]
        settle()
    it.click("remove-programs")  # the first
    wait_until(lambda: it.value("programs") == ["blender"])


def test_hours_are_painted_or_written(open_page: OpenPage) -> None:
    it = open_page()
    grid = it.find(WeekGrid, "grid-schedule")
    first, last = (grid._place(0, hour).center().toPoint() for hour in (20, 23))
    QTest.mousePress(grid, LEFT, pos=first)
    for hour in (21, 22, 23):
        QTest.mouseMove(grid, grid._place(0, hour).center().toPoint())
    assert it.engine.kept_settings.changes == []
    QTest.mouseRelease(grid, LEFT, pos=last)
    wait_until(lambda: it.value("schedule") == ["mon 20:00-24:00"])
    QTest.mouseClick(grid, LEFT, pos=first + QPoint(1, 1))
    wait_until(lambda: it.value("schedule") == ["mon 21:00-24:00"])
    field = it.find(QLineEdit, "add-schedule")
    QTest.keyClicks(field, "someday")
    QTest.keyClick(field, Qt.Key.Key_Return)
    wait_until(lambda: "schedule" in it.desk.refused)
    assert "someday" in it.desk.refused["schedule"].message
    QTest.keyClicks(field, "sat 08:30-09:00")
    QTest.keyClick(field, Qt.Key.Key_Return)
    wait_until(lambda: it.value("schedule") == ["mon 21:00-24:00", "sat 08:30-09:00"])
    settle()
    assert not grid.isVisible()  # half hours cannot be painted


def test_a_search_shows_what_has_the_words_wherever_it_is(open_page: OpenPage) -> None:
    it = open_page()
    search = it.find(QLineEdit, "settings-search")
    QTest.keyClicks(search, "theme")
    settle()
    assert it.seen("value-desktop-theme")
    assert not it.seen("value-idle_s")
    search.selectAll()
    QTest.keyClicks(search, "upload_mbit")
    settle()
    assert it.seen("value-upload_mbit")
    search.selectAll()
    QTest.keyClicks(search, "models on disk")
    wait_until(lambda: it.page.findChild(QPushButton, "delete-model") is not None)
    settle()
    assert it.seen("storage-summary")
    search.selectAll()
    QTest.keyClicks(search, "zzz")
    settle()
    assert any("zzz" in label.text() for label in it.page.findChildren(QLabel) if label.isVisible())
    search.clear()
    settle()
    assert it.seen("value-idle_s")
    assert not it.seen("value-upload_mbit")


def test_why_not_now_stands_beside_the_rules_with_what_can_be_done(open_page: OpenPage) -> None:
    it = open_page()
    asked: list[str] = []
    it.page.anyway_asked.connect(asked.append)
    it.page.anyway_asked.connect(it.link.share_anyway)
    marked = [each for each in it.page.findChildren(QWidget, "setting-row") if each.property("marked")]
    assert len(marked) == 2
    it.click("anyway-person-here")
    assert asked == ["person-here"]
    wait_until(lambda: it.desk.status is not None and it.desk.status.sharing == "sharing")
    settle()
    assert not any(each.property("marked") for each in it.page.findChildren(QWidget, "setting-row"))
    assert it.seen("settings-pause")


def test_problems_of_the_file_are_listed_at_the_top(open_page: OpenPage) -> None:
    it = open_page(prepare=lambda engine: engine.kept_settings.problems.append("idle_s: has to be a number"))
    frame = it.find(QWidget, "warning")
    assert frame.isVisible()
    assert any("idle_s: has to be a number." in label.text() for label in frame.findChildren(QLabel))


def test_without_the_engine_values_stay_and_cannot_be_changed(open_page: OpenPage) -> None:
    it = open_page()
    it.engine.stop()
    assert it.link._stream is not None
    it.link._stream.close()  # as when the engine's process ends
    wait_until(lambda: it.desk.status is None)
    settle()
    assert not it.find(Number, "value-idle_s").isEnabled()
    it.desk.change("idle_s", 5)
    assert it.desk.refused["idle_s"].message
    it.page.show_section("desktop")
    assert it.find(Choice, "value-desktop-theme").isEnabled()


def test_the_desktops_own_choices_count_at_once_and_are_kept(open_page: OpenPage, places: Places) -> None:
    it = open_page()
    it.page.show_section("desktop")
    told: list[Appearance] = []
    it.page._appearance.changed.connect(told.append)
    for name, steps in (("value-desktop-theme", 2), ("value-desktop-text-size", 1)):
        choice = it.find(Choice, name)
        choice.setFocus()
        for _step in range(steps):
            QTest.keyClick(choice, Qt.Key.Key_Down)
    it.press("value-desktop-notifications")
    assert told[-1] == Appearance(theme="dark", text_percent=115, notifications=False)
    assert read_appearance(appearance_file(places)) == told[-1]


def test_choices_that_cannot_be_kept_count_and_say_so(open_page: OpenPage, places: Places) -> None:
    it = open_page()
    places.configuration.write_text("in the way")
    problems: list[Problem] = []
    it.page.problem_found.connect(problems.append)
    it.page.show_section("desktop")
    it.press("value-desktop-notifications")
    assert [problem.code for problem in problems] == ["appearance-unwritable"]
    assert not it.page._appearance.appearance.notifications


def test_starting_at_login_is_switched_by_the_engine(open_page: OpenPage) -> None:
    it = open_page()
    it.page.show_section("desktop")
    it.press("value-desktop-autostart")
    wait_until(lambda: it.desk.autostart is not None and it.desk.autostart.is_on)
    settle()
    assert it.find(Switch, "value-desktop-autostart").isChecked()


def test_the_key_is_hidden_until_asked_for_and_can_be_copied(open_page: OpenPage) -> None:
    it = open_page()
    it.page.show_section("api")
    words = it.find(ElidedLabel, "api-key")
    assert it.engine.token not in words.text()
    it.click("copy-key")
    assert QGuiApplication.clipboard().text() == it.engine.token
    it.click("show-key")
    assert words.text() == it.engine.token
    it.page.leave()
    assert it.engine.token not in words.text()
    it.click("copy-address")
    assert QGuiApplication.clipboard().text() == f"{it.engine.url}/v1"


def test_a_model_is_deleted_after_a_question(open_page: OpenPage) -> None:
    it = open_page()
    it.page.show_section("storage")
    wait_until(lambda: it.page.findChild(QPushButton, "delete-model") is not None)
    settle()
    buttons = it.page.findChildren(QPushButton, "delete-model")
    assert [button.isEnabled() for button in buttons] == [True, True, False]  # the last is in use
    for answer, left in (("confirm-delete-model-no", 3), ("confirm-delete-model-yes", 2)):
        it.click("delete-model")
        settle()
        box = it.window.findChild(QAbstractButton, answer)
        assert box is not None
        QTest.mouseClick(box, LEFT)
        wait_until(lambda left=left: len(it.engine.disk.models) == left)  # type: ignore[misc]
        settle()
    wait_until(lambda: len(it.page.findChildren(QPushButton, "delete-model")) == 2)


def test_logs_are_shown_filtered_and_followed(open_page: OpenPage, places: Places) -> None:
    places.logs.mkdir(parents=True)
    log = places.logs / "engine.log"
    log.write_text("2026-01-31 22:15:01,123 INFO x: begun\n2026-01-31 22:15:02,123 ERROR x: broken\n")
    it = open_page()
    it.page.show_section("logs")
    text = it.find(QPlainTextEdit, "log-text")
    wait_until(lambda: "begun" in text.toPlainText())
    level = it.find(Choice, "log-level")
    level.setFocus()
    QTest.keyClick(level, Qt.Key.Key_End)
    wait_until(lambda: text.toPlainText() == "2026-01-31 22:15:02,123 ERROR x: broken")
    with log.open("a") as file:
        file.write("2026-01-31 22:15:03,123 ERROR x: again\n")
    wait_until(lambda: "again" in text.toPlainText())
    QTest.keyClicks(it.find(QLineEdit, "log-words"), "BROKEN")
    wait_until(lambda: "again" not in text.toPlainText())
    it.click("copy-log")
    assert QGuiApplication.clipboard().text() == "2026-01-31 22:15:02,123 ERROR x: broken"


def test_details_for_a_report_are_copied_and_licences_listed(open_page: OpenPage) -> None:
    it = open_page()
    it.page.show_section("about")
    licences = it.find(QWidget, "licences")
    wait_until(lambda: any(label.text() == "pydantic" for label in licences.findChildren(QLabel)))
    it.click("copy-details")
    text = QGuiApplication.clipboard().text()
    assert "Engine: fake, waiting" in text
    assert it.engine.token not in text
    assert "127.0.0.1" not in text


def test_long_names_leave_the_window_its_width(open_page: OpenPage) -> None:
    def prepare(engine: FakeEngine) -> None:
        engine.kept_settings.changed = {"programs": ["W" * 100], "initial_peers": ["/dns4/" + "x" * 3000]}
        engine.disk.models = [engine.disk.models[0].model_copy(update={"id": "owner/" + "long-" * 40})]

    it = open_page(prepare=prepare)
    it.window.resize(640, 440)
    sections = it.find(SectionList, "settings-sections")
    names = [str(sections.item(place).data(Qt.ItemDataRole.UserRole)) for place in range(sections.count())]
    assert len(names) == 8
    for name in names:
        it.page.show_section(name)
        settle()
        assert (it.window.width(), it.window.height()) == (640, 440), name
        assert it.page._column.horizontalScrollBar().maximum() == 0, name


def test_the_keyboard_goes_through_a_list_in_the_order_in_which_it_is_seen(open_page: OpenPage) -> None:
    it = open_page(prepare=lambda engine: engine.kept_settings.changed.update(programs=["chess", "blender"]))
    it.window.activateWindow()
    first, second = it.page.findChildren(QPushButton, "remove-programs")
    order: list[str] = []
    widget: QWidget = first
    for _step in range(400):
        if widget.focusPolicy() & Qt.FocusPolicy.TabFocus and widget.isVisible():
            order.append(widget.objectName())
        widget = widget.nextInFocusChain()
    names = ["remove-programs", "remove-programs", "add-programs"]
    assert order[:3] == names
    assert order[3:5] == ["add-button-programs", "reset-programs"]
    assert second.accessibleName() == "Remove blender"
