"""Sections of the settings page that are no settings of the engine: the app itself, its key, models, logs, versions."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QLabel, QLineEdit, QPlainTextEdit, QPushButton, QWidget

from fakes.desktop_qt import settle, wait_until
from fakes.settings_room import LEFT, OpenPage
from meadow_desktop.settings.appearance import Appearance, appearance_file, read_appearance
from meadow_desktop.windows.elided_label import ElidedLabel
from meadow_desktop.windows.status_strip import Switch
from meadow_desktop.windows.unscrolled import Choice
from meadow_engine.api.errors import Problem
from meadow_engine.api.places import Places


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
