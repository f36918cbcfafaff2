"""What can be done with one message: in another version, in other words, once more, or not at all."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QEnterEvent, QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLabel, QPushButton, QTextEdit, QWidget

from fakes.chat_room import Room
from fakes.desktop_qt import settle, wait_until
from meadow_desktop.chat.conversation import Question
from meadow_desktop.fakes_of_engine.answers import CANNED
from meadow_desktop.windows.chat.chain_pills import ChainPills
from meadow_desktop.windows.chat.message_tools import MessageTools
from meadow_desktop.windows.theme import LIGHT, make_style_sheet

ALT = Qt.KeyboardModifier.AltModifier


def questions(room: Room) -> list[str]:
    return [each.text for each in room.open.messages if isinstance(each, Question)]


def test_a_question_is_edited_in_its_place_and_the_old_one_stays_beside_it(room: Room) -> None:
    room.talk("one", "two")
    QTest.mouseClick(room.all(QPushButton, "edit-question")[0], Qt.MouseButton.LeftButton)
    field = room.text("edit-text")
    assert field.hasFocus()
    assert field.toPlainText() == "one"
    QTest.keyClicks(field, " more")
    QTest.keyClick(field, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    room.wait()
    assert questions(room) == ["one more"]
    assert room.all(QTextEdit, "edit-text") == []
    QTest.mouseClick(room.button("version-before-question"), Qt.MouseButton.LeftButton)
    settle()
    assert questions(room) == ["one", "two"]


def test_escape_leaves_the_question_as_it_was_and_stops_no_answer(room: Room) -> None:
    room.talk("one")
    QTest.mouseClick(room.button("edit-question"), Qt.MouseButton.LeftButton)
    QTest.keyClicks(room.text("edit-text"), "never sent")
    QTest.keyClick(room.text("edit-text"), Qt.Key.Key_Escape)
    assert room.all(QTextEdit, "edit-text") == []
    assert questions(room) == ["one"]
    assert room.button("edit-question").hasFocus()


def test_an_editor_grows_with_its_lines_and_survives_scrolling(room: Room) -> None:
    room.talk("one", "two", "three", "four")
    QTest.mouseClick(room.button("edit-question"), Qt.MouseButton.LeftButton)
    field = room.text("edit-text")
    before = field.height()
    field.insertPlainText("\n".join("line" for _line in range(8)))
    settle()
    assert field.height() > before + 3 * field.fontMetrics().lineSpacing()
    transcript = room.one(QWidget, "transcript")
    for _page in range(12):
        QTest.keyClick(transcript, Qt.Key.Key_PageUp)
    settle()
    assert field.toPlainText().count("line") == 8


def test_every_answer_can_be_written_again(room: Room) -> None:
    room.talk("one", "two")
    first = room.open.messages[1].id
    room.window.resize(1000, 1400)
    QTest.mouseClick(room.all(QPushButton, "regenerate")[0], Qt.MouseButton.LeftButton)
    room.wait()
    assert questions(room) == ["one"]
    assert room.answer.id != first
    assert room.one(QLabel, "version").text() == "2 / 2"


def test_alt_and_an_arrow_go_to_another_version_and_the_focus_stays(room: Room) -> None:
    room.talk("one")
    room.desk.ask_again()
    room.wait()
    assert room.answer.text == CANNED[1]
    room.button("copy-answer").setFocus()
    QTest.keyClick(room.button("copy-answer"), Qt.Key.Key_Left, ALT)
    settle()
    assert room.answer.text == CANNED[0]
    assert room.button("copy-answer").hasFocus()
    QTest.keyClick(QApplication.focusWidget(), Qt.Key.Key_Right, ALT)
    settle()
    assert room.answer.text == CANNED[1]
    text = room.all(QTextEdit, "answer-text")[0]
    text.setFocus()
    QTest.keyClick(text, Qt.Key.Key_Left, ALT)
    settle()
    assert room.answer.text == CANNED[0]


def test_an_arrow_that_leads_nowhere_hands_the_focus_to_its_neighbour(room: Room) -> None:
    room.talk("one")
    room.desk.ask_again()
    room.wait()
    before = room.button("version-before-answer")
    assert not room.button("version-after-answer").isEnabled()
    before.setFocus()
    QTest.keyClick(before, Qt.Key.Key_Space)
    settle()
    assert room.answer.text == CANNED[0]
    focus = QApplication.focusWidget()
    assert isinstance(focus, QPushButton)
    assert focus.isEnabled()
    assert isinstance(focus.parentWidget(), (MessageTools, QWidget))


def test_deleted_messages_come_back_with_undo(room: Room) -> None:
    room.talk("one", "two")
    QTest.mouseClick(room.all(QPushButton, "delete-question")[-1], Qt.MouseButton.LeftButton)
    settle()
    assert questions(room) == ["one"]
    QTest.mouseClick(room.button("undo-delete"), Qt.MouseButton.LeftButton)
    settle()
    assert questions(room) == ["one", "two"]
    assert room.all(QPushButton, "undo-delete") == []


def test_copying_takes_the_message_as_it_was_written(room: Room) -> None:
    room.talk("**one**")
    QTest.mouseClick(room.button("copy-question"), Qt.MouseButton.LeftButton)
    assert QGuiApplication.clipboard().text() == "**one**"
    QTest.mouseClick(room.button("copy-answer"), Qt.MouseButton.LeftButton)
    assert QGuiApplication.clipboard().text() == CANNED[0]


def test_buttons_below_an_answer_begin_where_its_words_do(room: Room) -> None:
    room.talk("one")
    buttons = {name: room.button(name) for name in ("copy-answer", "regenerate")}
    begins = {name: button.property("begins") for name, button in buttons.items()}
    assert begins == {"copy-answer": True, "regenerate": None}
    sheet = make_style_sheet(LIGHT)
    assert 'QPushButton[kind="quiet"][begins="true"] { padding-left: 0; }' in sheet


def test_a_question_is_typed_anew_right_above_its_hint(room: Room) -> None:
    room.talk("one")
    QTest.keyClick(room.text("composer-text"), Qt.Key.Key_E, Qt.KeyboardModifier.ControlModifier)
    text = room.text("edit-text")
    hint = next(each for each in room.all(QLabel, "") if each.text().startswith("The old version"))
    words = text.viewport().mapTo(room.window, QPoint(round(text.document().documentMargin()), 0))
    assert words.x() == hint.mapTo(room.window, QPoint(0, 0)).x()


def test_buttons_are_painted_while_the_pointer_or_the_keyboard_is_at_their_message(room: Room) -> None:
    room.talk("one", "two")
    room.window.resize(1000, 1400)
    edit = room.all(QPushButton, "edit-question")[0]
    tools = edit.parentWidget()
    assert isinstance(tools, MessageTools)
    assert not tools.is_revealed
    question = tools.parentWidget()
    point = QPointF(5, 5)
    QApplication.sendEvent(question, QEnterEvent(point, point, point))
    assert tools.is_revealed
    QApplication.sendEvent(room.one(QWidget, "transcript"), QEvent(QEvent.Type.Leave))
    assert not tools.is_revealed
    edit.setFocus()
    assert tools.is_revealed


def test_everything_has_a_name_for_screen_readers(room: Room) -> None:
    room.talk("one")
    room.desk.ask_again()
    room.wait()
    for button in room.window.findChildren(QPushButton):
        if button.isVisible():
            assert button.objectName(), button.text()
            assert len(button.accessibleName() or button.text()) > 1, button.objectName()
    assert room.button("version-before-answer").accessibleDescription() == "Version 2 of 2"


def test_the_chain_says_who_held_which_layers_and_who_took_over(room: Room) -> None:
    room.talk("one", "two")  # in every second answer of the fake engine somebody leaves
    pills = room.one(ChainPills, "chain")
    assert "volunteer-a, layers 0–2; volunteer-b, layers 3–5, took over in mid-answer" in pills.accessibleName()
    labels = [each.text() for each in room.window.findChildren(QLabel) if each.isVisible()]
    assert "desk-2 left; volunteer-b took over in 0.3 s" in labels
    assert any("tokens/s · first token 0.2 s · meadow-demo" in text for text in labels)
    pills.setFocus()
    QTest.keyClick(pills, Qt.Key.Key_Space)
    assert "12D3KooWFakeA" in room.one(QLabel, "chain-details").text()
    QTest.keyClick(pills, Qt.Key.Key_Space)
    assert room.all(QLabel, "chain-details") == []


def test_a_narrow_window_wraps_the_chain_instead_of_cutting_it(room: Room) -> None:
    room.talk("one")
    pills = room.one(ChainPills, "chain")
    wide = pills.height()
    room.window.resize(640, 440)
    wait_until(lambda: room.one(ChainPills, "chain").height() > wide)
    assert pills.heightForWidth(200) > pills.heightForWidth(330)


def test_the_last_question_and_answer_have_keys_of_their_own(room: Room) -> None:
    room.talk("one")
    composer = room.text("composer-text")
    control = Qt.KeyboardModifier.ControlModifier
    QTest.keyClick(composer, Qt.Key.Key_C, control | Qt.KeyboardModifier.ShiftModifier)
    assert QGuiApplication.clipboard().text() == CANNED[0]
    QTest.keyClick(composer, Qt.Key.Key_R, control)
    room.wait()
    assert room.answer.text == CANNED[1]
    QTest.keyClick(composer, Qt.Key.Key_E, control)
    assert room.text("edit-text").hasFocus()
