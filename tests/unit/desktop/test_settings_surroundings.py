"""What surrounds the values of the settings page: search, warnings, an engine that is gone, width and keyboard."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel, QLineEdit, QPushButton, QWidget

from fakes.desktop_qt import settle, wait_until
from fakes.settings_room import OpenPage
from meadow_desktop.fake_engine import FakeEngine
from meadow_desktop.windows.settings.section_list import SectionList
from meadow_desktop.windows.unscrolled import Choice, Number


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
