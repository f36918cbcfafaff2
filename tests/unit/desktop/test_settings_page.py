"""Values of the settings page against a fake engine over real sockets: changing, refusing, fixing, going back."""

from __future__ import annotations

from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel, QLineEdit, QPushButton

from fakes.desktop_qt import settle, wait_until
from fakes.settings_room import LEFT, OpenPage
from meadow_desktop.engine.link_state import Connected
from meadow_desktop.windows.settings.week_grid import WeekGrid
from meadow_desktop.windows.status_strip import Switch
from meadow_desktop.windows.unscrolled import Choice, Number
from meadow_engine.api.errors import Problem


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


def test_numbers_are_of_one_width_whatever_their_unit(open_page: OpenPage) -> None:
    it = open_page()
    it.page.show_section("How much to share")
    settle()
    fields = [each for each in it.page.findChildren(Number) if each.isVisible()]
    assert len(fields) > 3
    assert len({field.width() for field in fields}) == 1


def test_a_fraction_is_shown_and_typed_in_percent(open_page: OpenPage) -> None:
    it = open_page()
    it.page.show_section("How much to share")
    number = it.find(Number, "value-memory_share")
    assert number.text() == "80 %"
    number.lineEdit().selectAll()
    QTest.keyClicks(number.lineEdit(), "55")
    QTest.keyClick(number.lineEdit(), Qt.Key.Key_Return)
    wait_until(lambda: it.value("memory_share") == 0.55)
    number.stepUp()
    wait_until(lambda: it.value("memory_share") == 0.6)
    assert (number.minimum(), number.maximum()) == (5, 95)


def test_a_long_number_is_written_without_marks_and_can_be_typed_into(open_page: OpenPage) -> None:
    it = open_page(prepare=lambda engine: engine.kept_settings.changed.update(port=4711))
    it.page.show_section("Model and swarm")
    number = it.find(Number, "value-port")
    assert number.text() == "4711"
    number.lineEdit().setFocus()
    number.lineEdit().end(False)
    QTest.keyClicks(number.lineEdit(), "2")
    QTest.keyClick(number.lineEdit(), Qt.Key.Key_Return)
    wait_until(lambda: it.value("port") == 47112)


def test_no_limit_is_said_in_words_and_gives_way_to_a_typed_number(open_page: OpenPage) -> None:
    it = open_page()
    it.page.show_section("How much to share")
    number = it.find(Number, "value-upload_mbit")
    assert number.text() == "No limit"
    QTest.mouseClick(number.lineEdit(), LEFT, pos=QPoint(20, 10))
    settle()
    QTest.keyClicks(number.lineEdit(), "25")
    QTest.keyClick(number.lineEdit(), Qt.Key.Key_Return)
    wait_until(lambda: it.value("upload_mbit") == 25)
    assert number.text() == "25 Mbit/s"
    number.setValue(0)
    wait_until(lambda: it.value("upload_mbit") == 0)
    assert number.text() == "No limit"


def test_a_change_that_waits_for_the_next_start_can_have_it_at_once(open_page: OpenPage) -> None:
    it = open_page()
    it.page.show_section("Model and swarm")
    button = it.find(QPushButton, "restart-port")
    assert not button.isVisible()
    it.find(Number, "value-port").setValue(4711)
    wait_until(button.isVisible)
    assert not it.seen("restart-device")
    it.click("restart-port")
    assert not button.isEnabled()
    wait_until(lambda: it.engine.restarts == 1)
    wait_until(lambda: isinstance(it.link.state, Connected) and it.desk.overview is not None and not button.isVisible())
    assert (it.value("port"), it.desk.is_restarting) == (4711, False)
    assert ("/api/restart", {}) in it.engine.commands or ("/api/restart", None) in it.engine.commands


def test_an_engine_that_does_not_start_again_leaves_the_button_as_it_was(open_page: OpenPage) -> None:
    it = open_page()
    told: list[Problem] = []
    it.desk.trouble.connect(told.append)
    it.page.show_section("Model and swarm")
    it.find(Number, "value-port").setValue(4711)
    button = it.find(QPushButton, "restart-port")
    wait_until(button.isVisible)
    it.engine.refuses_restart = True
    it.click("restart-port")
    assert not button.isEnabled()
    wait_until(lambda: bool(told))
    assert (told[0].code, it.desk.is_restarting, button.isEnabled()) == ("failed", False, True)


def test_a_refused_value_says_why_beside_it_and_the_old_one_comes_back(open_page: OpenPage) -> None:
    it = open_page()
    number = it.find(Number, "value-cool_again_c")
    number.setValue(100)
    wait_until(lambda: "cool_again_c" in it.desk.refused)
    settle()
    error = it.find(QLabel, "error-cool_again_c")
    assert "“Cool again” (100) has to be lower than “Too hot” (83)" in error.text()
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
