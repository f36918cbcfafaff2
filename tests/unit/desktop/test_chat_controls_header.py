"""The model, the settings, the room that is left, files, and the list of keys."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QAction
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QFileDialog,
    QLabel,
    QPlainTextEdit,
    QProgressBar,
    QPushButton,
    QWidget,
)

from fakes.chat_room import Room, opened_room
from fakes.desktop_qt import settle, wait_until
from meadow_desktop.chat.chat_settings import CREATIVE, ChatSettings
from meadow_desktop.chat.words.model_choices import present_models
from meadow_desktop.chat.words.shortcuts import SHORTCUTS
from meadow_desktop.fake_engine import FakeEngine
from meadow_desktop.windows.chat.chat_header import ChatHeader
from meadow_desktop.windows.chat.exchange_dialogs import suggest_name, with_ending
from meadow_desktop.windows.status_strip import Switch
from meadow_engine.api.places import Places

CONTROL = Qt.KeyboardModifier.ControlModifier
SHIFT = Qt.KeyboardModifier.ShiftModifier
LARGE = "meadow/Larger-Model-70B-Instruct"


@pytest.fixture
def engine(start_engine: Callable[..., FakeEngine]) -> FakeEngine:
    return start_engine(piece_s=0.001)


@pytest.fixture
def room(engine: FakeEngine, places: Places) -> Iterator[Room]:
    with opened_room(places) as room:
        wait_until(lambda: bool(room.desk.models.models))
        yield room


def actions(room: Room) -> dict[str, QAction]:
    return {action.text(): action for action in room.window.findChildren(QAction) if action.text()}


def open_settings(room: Room) -> None:
    QTest.keyClick(room.text("composer-text"), Qt.Key.Key_S, CONTROL | SHIFT)
    settle()


def test_a_narrow_window_gives_the_room_of_the_settings_button_to_the_title(room: Room) -> None:
    room.talk("Why do leaves change their colour in autumn, and which of them do it first?")
    room.window.resize(640, 560)
    settle()
    title = room.one(QLabel, "title")
    assert title.width() > 140
    assert room.all(QPushButton, "conversation-settings-button") == []
    in_menu = actions(room)["Settings of this conversation"]
    assert in_menu.isVisible()
    in_menu.trigger()
    settle()
    assert room.one(QWidget, "conversation-settings").isVisible()
    assert in_menu.isChecked()
    QTest.keyClick(room.one(QComboBox, "preset"), Qt.Key.Key_Escape)
    settle()
    assert room.all(QWidget, "conversation-settings") == []
    assert room.button("conversation-menu-button").hasFocus()
    room.window.resize(1080, 720)
    settle()
    assert room.button("conversation-settings-button").isVisible()
    assert not in_menu.isVisible()


def test_the_menu_of_models_says_how_each_is_and_incomplete_ones_can_be_chosen(room: Room, engine: FakeEngine) -> None:
    view = present_models(room.desk.models.models, "meadow-demo")
    assert [(each.title, each.state) for each in view.choices] == [
        ("meadow-demo", "about 24.1 tokens/s"),
        ("Larger-Model-70B-Instruct", "layers missing"),
    ]
    assert room.button("model-picker").text() == "meadow-demo"
    actions(room)["Larger-Model-70B-Instruct\tlayers missing"].trigger()
    settle()
    assert "Larger" in room.button("model-picker").text()
    assert "layers missing" in room.button("model-picker").accessibleName()
    wait_until(lambda: "32,768" in room.one(QLabel, "context-words").text())
    room.talk("hello")
    assert engine.requests[-1]["model"] == LARGE


def test_a_model_that_nobody_announces_is_still_shown_as_chosen() -> None:
    view = present_models([], "owner/Gone-7B")
    assert (view.title, view.state) == ("Gone-7B", "nobody holds it now")
    assert present_models([], "").title == "No model yet"


def test_a_new_conversation_does_not_begin_with_a_model_that_nobody_offers_any_more(
    room: Room, engine: FakeEngine
) -> None:
    room.desk.change_settings(ChatSettings(model="owner/Gone-7B"))
    room.talk("hello")
    assert engine.requests[-1]["model"] == "meadow-demo"


def test_a_conversation_whose_model_is_gone_keeps_it_and_offers_the_menu_of_models(
    room: Room, engine: FakeEngine
) -> None:
    room.talk("hello")
    room.desk.change_settings(ChatSettings(model="owner/Gone-7B"))
    engine.mishap = "unknown-model"
    room.talk("again")
    assert engine.requests[-1]["model"] == "owner/Gone-7B"
    assert [each.text() for each in room.all(QLabel, "") if "Gone-7B" in each.text()] == [
        "Nobody in the swarm offers the model Gone-7B any more."
    ]
    menu = room.button("model-picker").menu()
    assert menu is not None
    opened: list[bool] = []
    menu.aboutToShow.connect(lambda: opened.append(True))
    menu.aboutToShow.connect(menu.close, Qt.ConnectionType.QueuedConnection)
    room.button("choose-model").click()
    wait_until(lambda: bool(opened))


def test_settings_count_from_the_next_question_on(room: Room, engine: FakeEngine) -> None:
    open_settings(room)
    room.one(QPlainTextEdit, "system-prompt").setPlainText("Answer in rhymes")
    room.one(QDoubleSpinBox, "temperature").setValue(0.4)
    room.one(QDoubleSpinBox, "max-tokens").setValue(256)
    QTest.mouseClick(room.one(Switch, "leaves-out-oldest"), Qt.MouseButton.LeftButton)
    assert not room.desk.settings.leaves_out_oldest
    room.talk("hello")
    request = engine.requests[-1]
    assert request["messages"][0] == {"role": "system", "content": "Answer in rhymes"}
    assert (request["temperature"], request["max_tokens"]) == (0.4, 256)
    assert "top_p" not in request


def test_a_number_left_to_the_model_says_so(room: Room) -> None:
    open_settings(room)
    number = room.one(QDoubleSpinBox, "temperature")
    assert number.text() == "The model's own"
    number.stepUp()
    assert room.desk.settings.sampling.temperature == 0
    number.stepDown()
    assert room.desk.settings.sampling.temperature is None


def test_presets_are_used_kept_and_removed(room: Room) -> None:
    open_settings(room)
    presets = room.one(QComboBox, "preset")
    QTest.keyClicks(presets, "Creative")
    presets.setCurrentIndex(presets.findText("Creative"))
    presets.activated.emit(presets.currentIndex())
    assert room.desk.settings.sampling == CREATIVE.sampling
    room.one(QDoubleSpinBox, "top-p").setValue(0.5)
    assert presets.currentText() == "Own choices"
    QTest.keyClicks(room.field("preset-name"), "Mine")
    QTest.keyClick(room.field("preset-name"), Qt.Key.Key_Return)
    assert presets.currentText() == "Mine"
    QTest.mouseClick(room.button("forget-preset"), Qt.MouseButton.LeftButton)
    assert presets.findText("Mine") < 0
    assert room.desk.settings.sampling.top_p == 0.5


def test_typing_instructions_keeps_the_cursor(room: Room) -> None:
    room.talk("hello")
    open_settings(room)
    prompt = room.one(QPlainTextEdit, "system-prompt")
    QTest.keyClicks(prompt, "brief")
    prompt.moveCursor(prompt.textCursor().MoveOperation.Start)
    QTest.keyClicks(prompt, "Be ")
    assert room.open.settings.system_prompt == "Be brief"


def test_escape_closes_the_panel_and_a_narrow_window_gives_it_all_its_room(room: Room) -> None:
    open_settings(room)
    panel = room.one(QWidget, "conversation-settings")
    assert room.one(QWidget, "transcript").isVisible()
    room.window.resize(640, 440)
    wait_until(lambda: room.all(QWidget, "transcript") == [])
    assert panel.width() > 330
    QTest.keyClick(room.one(QComboBox, "preset"), Qt.Key.Key_Escape)
    settle()
    assert room.all(QWidget, "conversation-settings") == []
    assert room.one(QWidget, "transcript").isVisible()
    assert room.button("conversation-menu-button").hasFocus()  # the settings' own button has no room here


def test_the_meter_counts_what_is_being_typed_and_warns_in_words(room: Room) -> None:
    room.talk("hello")
    words = room.one(QLabel, "context-words")
    field = room.text("composer-text")
    field.setPlainText("word " * 500)
    wait_until(lambda: "Soon the oldest messages are left out" in words.accessibleDescription())
    assert room.one(QWidget, "context-meter").toolTip() == words.accessibleDescription()
    assert room.one(QProgressBar, "context-bar").property("level") == "full"
    field.clear()
    wait_until(lambda: room.one(QProgressBar, "context-bar").property("level") == "calm")


def choose_file(room: Room, path: Path) -> None:
    dialog = room.window.findChild(QFileDialog, "file-dialog")
    assert dialog is not None
    dialog.fileSelected.emit(str(path))
    dialog.close()
    settle()


def test_export_and_import_say_what_was_done(room: Room, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(QFileDialog, "open", lambda dialog: None)
    room.talk("What is a swarm?")
    said: list[str] = []
    room.desk.exchange.finished.connect(said.append)
    header = room.one(ChatHeader, "header")
    for kind in ("markdown", "json"):
        said.clear()
        header.export_asked.emit(kind, False)
        choose_file(room, tmp_path / "talk")
        wait_until(lambda: said == ["1 conversation was exported"])
    assert "What is a swarm?" in (tmp_path / "talk.md").read_text(encoding="utf-8")
    assert len(json.loads((tmp_path / "talk.json").read_text(encoding="utf-8"))["conversations"]) == 1
    actions(room)["Import…"].trigger()
    choose_file(room, tmp_path / "talk.json")
    wait_until(lambda: len(room.desk.conversations) == 2)
    wait_until(lambda: "1 conversation was imported" in said)
    assert any("1 conversation was imported" in each.text() for each in room.window.findChildren(QLabel))


def test_a_file_that_cannot_be_taken_in_is_a_problem_in_the_window(room: Room, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("[]")
    problems: list[object] = []
    room.page.problem_found.connect(problems.append)
    room.desk.exchange.import_file(tmp_path / "x.json")
    wait_until(lambda: bool(problems))


def test_a_file_gets_a_name_that_every_system_takes() -> None:
    assert suggest_name('What: "a/b\\c" <d>?', "markdown") == "What a b c d.md"
    assert suggest_name("???", "json") == "meadow.json"
    assert with_ending("/x/talk", "json") == Path("/x/talk.json")
    assert with_ending("/x/talk.txt", "json") == Path("/x/talk.txt")


def test_the_list_of_keys_names_all_of_them(room: Room) -> None:
    actions(room)["Keyboard"].trigger()
    settle()
    dialog = room.window.findChild(QWidget, "keyboard")
    assert dialog is not None
    words = {each.text() for each in dialog.findChildren(QLabel)}
    assert {shortcut.words for shortcut in SHORTCUTS} <= words
    assert {"Ctrl+N", "Ctrl+F", "F2"} <= words
    dialog.close()


def test_a_new_conversation_can_neither_be_deleted_nor_exported(room: Room) -> None:
    found = actions(room)
    assert not found["Delete conversation"].isEnabled()
    assert not found["Export this conversation"].isEnabled()
    assert found["Export all conversations"].isEnabled()
    room.talk("hello")
    assert found["Delete conversation"].isEnabled()
