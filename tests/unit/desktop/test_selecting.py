"""Selecting with the pointer and the keys across the rows of a conversation: what is marked, and what is copied.

Speed: the limit is four times what somebody may feel (50 ms), because tests share their computer.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QDesktopServices, QGuiApplication, QKeyEvent, QMouseEvent, QTextCursor
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QMenu, QPushButton, QTextEdit, QWidget

from fakes.desktop_qt import settle, wait_until
from fakes.heartbeat import beating
from meadow_desktop.chat.words.view import AnswerView, MessageView, QuestionView
from meadow_desktop.windows.chat.fitted_text import FittedText
from meadow_desktop.windows.chat.transcript import Transcript
from meadow_desktop.windows.theme import DARK, LIGHT

LEFT, NOTHING, SHIFT = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton, Qt.KeyboardModifier.ShiftModifier
FEW = [
    QuestionView("Where do the layers go?"),
    AnswerView("The first paragraph.\n\n```py\nx = 1\n```\n\nThe last [link](https://example.org) paragraph."),
    QuestionView("Is that all?"),
]


@pytest.fixture
def transcript() -> Iterator[Transcript]:
    QGuiApplication.clipboard().clear()
    transcript = Transcript()
    transcript.resize(700, 500)
    transcript.show()
    yield transcript
    transcript.close()
    transcript.deleteLater()


@pytest.fixture
def followed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    addresses: list[str] = []
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: addresses.append(url.toString()))
    return addresses


def draw(transcript: Transcript, views: list[MessageView]) -> None:
    transcript.show_messages(views, LIGHT)
    wait_until(lambda: transcript.is_finished)
    settle()


def text_with(transcript: Transcript, words: str) -> FittedText:
    found = [each for each in transcript.findChildren(FittedText) if words in each.toPlainText() and each.isVisible()]
    assert found
    return found[0]


def at(text: QTextEdit, words: str, *, behind: bool = False) -> QPoint:
    """On the screen: right before these words, or right behind them."""
    cursor = QTextCursor(text.document())
    place = text.toPlainText().index(words)
    cursor.setPosition(place + len(words) if behind else place)
    return text.viewport().mapToGlobal(text.cursorRect(cursor).center())


def point(
    kind: QEvent.Type, widget: QWidget, place: QPoint, keys: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier
) -> None:
    """As Qt does: to the widget where the button was pressed, wherever the pointer is."""
    button = NOTHING if kind == QEvent.Type.MouseMove else LEFT
    held = NOTHING if kind == QEvent.Type.MouseButtonRelease else LEFT
    event = QMouseEvent(kind, QPointF(widget.mapFromGlobal(place)), QPointF(place), button, held, keys)
    QApplication.sendEvent(widget, event)


def drag(widget: QWidget, start: QPoint, *places: QPoint) -> None:
    point(QEvent.Type.MouseButtonPress, widget, start)
    for place in places:
        point(QEvent.Type.MouseMove, widget, place)
    point(QEvent.Type.MouseButtonRelease, widget, places[-1] if places else start)


def marked(transcript: Transcript) -> list[str]:
    """What somebody sees highlighted, from above to below."""
    texts = [each for each in transcript.findChildren(FittedText) if each.isVisible()]
    texts.sort(key=lambda each: each.mapTo(transcript.viewport(), QPoint(0, 0)).y())
    return [words for each in texts if (words := each.textCursor().selectedText())]


def press(transcript: Transcript, key: Qt.Key) -> None:
    focus = QApplication.focusWidget()
    target = focus if focus is not None and transcript.isAncestorOf(focus) else transcript
    QApplication.sendEvent(target, QKeyEvent(QEvent.Type.KeyPress, key, Qt.KeyboardModifier.ControlModifier))


def copied(transcript: Transcript) -> str:
    press(transcript, Qt.Key.Key_C)
    wait_until(lambda: transcript.is_copied)
    return QGuiApplication.clipboard().text()


def test_a_stroke_goes_from_one_message_over_code_into_another(transcript: Transcript) -> None:
    draw(transcript, FEW)
    question, last = text_with(transcript, "Where"), text_with(transcript, "last")
    drag(question.viewport(), at(question, "layers"), at(text_with(transcript, "x = 1"), "x"), at(last, "last"))
    assert marked(transcript) == ["layers go?", "The first paragraph.", "x = 1", "The "]
    assert copied(transcript) == "layers go?\n\nThe first paragraph.\n\nx = 1\n\nThe "


def test_a_stroke_upwards_selects_the_same(transcript: Transcript) -> None:
    draw(transcript, FEW)
    question, last = text_with(transcript, "Where"), text_with(transcript, "last")
    drag(last.viewport(), at(last, "last"), at(question, "layers"))
    assert copied(transcript) == "layers go?\n\nThe first paragraph.\n\nx = 1\n\nThe "


def test_shift_and_a_click_move_the_end_that_is_not_the_beginning(transcript: Transcript) -> None:
    draw(transcript, FEW)
    first, last = text_with(transcript, "first"), text_with(transcript, "last")
    drag(first.viewport(), at(first, "first"))
    point(QEvent.Type.MouseButtonPress, last.viewport(), at(last, "last", behind=True), SHIFT)
    point(QEvent.Type.MouseButtonRelease, last.viewport(), at(last, "last", behind=True), SHIFT)
    assert copied(transcript) == "first paragraph.\n\nx = 1\n\nThe last"
    question = text_with(transcript, "Where")
    point(QEvent.Type.MouseButtonPress, question.viewport(), at(question, "go?"), SHIFT)
    point(QEvent.Type.MouseButtonRelease, question.viewport(), at(question, "go?"), SHIFT)
    assert copied(transcript) == "go?\n\nThe "


def test_a_double_click_goes_on_by_words_and_a_third_click_takes_the_paragraph(transcript: Transcript) -> None:
    draw(transcript, FEW)
    first, last = text_with(transcript, "first"), text_with(transcript, "last")
    place = at(first, "irst")
    drag(first.viewport(), place)
    point(QEvent.Type.MouseButtonDblClick, first.viewport(), place)
    assert marked(transcript) == ["first"]
    point(QEvent.Type.MouseMove, first.viewport(), at(last, "ast"))
    assert marked(transcript) == ["first paragraph.", "x = 1", "The last"]
    point(QEvent.Type.MouseButtonRelease, first.viewport(), at(last, "ast"))
    drag(first.viewport(), place)
    point(QEvent.Type.MouseButtonDblClick, first.viewport(), place)
    point(QEvent.Type.MouseButtonRelease, first.viewport(), place)
    drag(first.viewport(), place)
    assert marked(transcript) == ["The first paragraph."]


def test_a_click_takes_the_selection_away_and_follows_a_link_only_without_a_stroke(
    transcript: Transcript, followed: list[str]
) -> None:
    draw(transcript, FEW)
    first, last = text_with(transcript, "first"), text_with(transcript, "last")
    drag(last.viewport(), at(last, "ink"), at(first, "first"))
    assert marked(transcript)[0] == "first paragraph."
    assert followed == []
    drag(last.viewport(), at(last, "ink"))
    assert marked(transcript) == []
    assert followed == ["https://example.org"]


def test_a_stroke_may_begin_and_end_beside_the_text(transcript: Transcript) -> None:
    draw(transcript, FEW)
    page = transcript.widget()
    first, last = text_with(transcript, "first"), text_with(transcript, "last")
    margin = QPoint(page.mapToGlobal(QPoint(4, 0)).x(), at(first, "The").y())
    drag(page, margin, at(last, "last"))
    assert marked(transcript) == ["The first paragraph.", "x = 1", "The "]
    assert copied(transcript) == "The first paragraph.\n\nx = 1\n\nThe "


def test_everything_is_selected_with_the_keys_also_from_a_button(transcript: Transcript) -> None:
    draw(transcript, FEW)
    everything = "Where do the layers go?\n\nThe first paragraph.\n\nx = 1\n\nThe last link paragraph.\n\nIs that all?"
    for focus in (transcript, text_with(transcript, "first"), transcript.findChildren(QPushButton, "copy-code")[0]):
        focus.setFocus()
        press(transcript, Qt.Key.Key_A)
        assert len(marked(transcript)) == 5
        assert copied(transcript) == everything
        drag(text_with(transcript, "Is").viewport(), at(text_with(transcript, "Is"), "that"))
        assert marked(transcript) == []


def test_the_menu_copies_all_that_is_selected(transcript: Transcript) -> None:
    draw(transcript, FEW)
    question, last = text_with(transcript, "Where"), text_with(transcript, "last")
    drag(question.viewport(), at(question, "go?"), at(last, "last"))
    last.menu_asked.emit(at(last, "last"))
    menu = next(each for each in last.findChildren(QMenu) if each.isVisible())
    actions = {action.objectName(): action for action in menu.actions()}
    actions["edit-copy"].trigger()
    assert QGuiApplication.clipboard().text() == "go?\n\nThe first paragraph.\n\nx = 1\n\nThe "
    actions["select-all"].trigger()
    assert len(marked(transcript)) == 5
    menu.close()


def test_a_link_that_the_keyboard_is_on_can_be_copied_without_a_selection(transcript: Transcript) -> None:
    draw(transcript, FEW)
    last = text_with(transcript, "last")
    place = last.toPlainText().index("link")
    last.select(place, place + 4)  # as Qt does when Tab comes to a link
    last.setFocus()
    assert copied(transcript) == "link"


def conversation(count: int) -> list[MessageView]:
    views: list[MessageView] = []
    for number in range(count // 2):
        views.append(QuestionView(f"Question {number}", f"q{number}"))
        text = f"Answer {number} begins.\n\n" + "Some words of it. " * 12 + "\n\n```\ncode\n```\n\n- one\n- two"
        views.append(AnswerView(text, message_id=f"a{number}"))
    return views


def scroll_to(transcript: Transcript, value: int) -> None:
    transcript.verticalScrollBar().setValue(value)
    wait_until(lambda: transcript.is_finished)
    settle()


def test_a_selection_outlives_scrolling_away_and_back_and_another_theme(transcript: Transcript) -> None:
    draw(transcript, conversation(100))
    bar = transcript.verticalScrollBar()
    last = text_with(transcript, "Question 49")
    drag(last.viewport(), at(last, "ion 49", behind=True), at(last, "ion 49"))
    assert marked(transcript) == ["ion 49"]
    press(transcript, Qt.Key.Key_C)
    transcript.setFocus()
    scroll_to(transcript, 0)
    assert marked(transcript) == []
    assert len(transcript.findChildren(QTextEdit)) < 60
    assert copied(transcript) == "ion 49"
    transcript.show_messages(conversation(100), DARK)
    scroll_to(transcript, bar.maximum())
    assert marked(transcript) == ["ion 49"]


def test_a_selection_stays_while_the_answer_grows_and_goes_with_its_message(transcript: Transcript) -> None:
    words = "The first paragraph.\n\nThe second one goes"
    draw(transcript, [QuestionView("q", "1"), AnswerView(words, message_id="2")])
    first, second = text_with(transcript, "first"), text_with(transcript, "second")
    drag(first.viewport(), at(first, "first"), at(second, "goes", behind=True))
    draw(transcript, [QuestionView("q", "1"), AnswerView(words + " on.\n\n- and\n- on", message_id="2")])
    assert copied(transcript) == "first paragraph.\n\nThe second one goes"
    draw(transcript, [QuestionView("q", "1"), AnswerView("Another answer", message_id="3")])
    assert marked(transcript) == []
    press(transcript, Qt.Key.Key_C)
    assert QGuiApplication.clipboard().text() == "first paragraph.\n\nThe second one goes"


def test_a_stroke_beyond_the_edge_scrolls_and_what_it_came_over_is_copied(transcript: Transcript) -> None:
    draw(transcript, conversation(40))
    bar = transcript.verticalScrollBar()
    last = text_with(transcript, "Question 19")
    before = bar.value()
    above = transcript.viewport().mapToGlobal(QPoint(60, -40))
    point(QEvent.Type.MouseButtonPress, last.viewport(), at(last, "Question 19", behind=True))
    point(QEvent.Type.MouseMove, last.viewport(), above)
    wait_until(lambda: bar.value() < before - 700)
    point(QEvent.Type.MouseButtonRelease, last.viewport(), above)
    came_to = bar.value()
    settle()
    assert bar.value() == came_to
    text = copied(transcript)
    assert text.endswith("Question 19")
    assert "Answer 17 begins." in text
    assert "- one\n- two\n\nQuestion 18" in text


def test_a_stroke_ends_with_the_text_it_began_in(transcript: Transcript) -> None:
    draw(transcript, conversation(40))
    bar = transcript.verticalScrollBar()
    last = text_with(transcript, "Question 19")
    point(QEvent.Type.MouseButtonPress, last.viewport(), at(last, "Question 19"))
    point(QEvent.Type.MouseMove, last.viewport(), transcript.viewport().mapToGlobal(QPoint(60, -40)))
    before = bar.value()
    wait_until(lambda: bar.value() < before - 60)
    draw(transcript, [QuestionView("another conversation", "x"), AnswerView("Words.\n\n" * 90, message_id="y")])
    assert marked(transcript) == []
    scroll_to(transcript, 300)
    QTest.qWait(100)
    assert bar.value() == 300


def test_what_is_being_selected_stays_in_sight_while_the_answer_grows(transcript: Transcript) -> None:
    text = "Some words.\n\n" * 60 + "The end."
    draw(transcript, [QuestionView("q"), AnswerView(text)])
    bar = transcript.verticalScrollBar()
    shown = text_with(transcript, "The end.")
    end = at(shown, "The end.")
    point(QEvent.Type.MouseButtonPress, shown.viewport(), end)
    point(QEvent.Type.MouseMove, shown.viewport(), end + QPoint(40, 0))
    before = bar.value()
    draw(transcript, [QuestionView("q"), AnswerView(text + "\n\nMore." * 60)])
    assert bar.value() == before
    point(QEvent.Type.MouseButtonRelease, shown.viewport(), end + QPoint(40, 0))


def test_two_thousand_messages_are_selected_and_copied_without_holding_the_window_up(transcript: Transcript) -> None:
    draw(transcript, conversation(2000))
    transcript.setFocus()
    with beating() as heart:
        press(transcript, Qt.Key.Key_A)
        press(transcript, Qt.Key.Key_C)
        wait_until(lambda: transcript.is_copied)
    sys.stdout.write(f"\n{heart.describe('copying 2,000 messages')}\n")
    text = QGuiApplication.clipboard().text()
    assert text.startswith("Question 0\n\nAnswer 0 begins.")
    assert text.endswith("- one\n- two")
    assert text.count("Answer ") == 1000
    assert heart.worst_busy_ms < 200.0


def test_a_stroke_over_a_long_conversation_does_not_hold_the_window_up(transcript: Transcript) -> None:
    draw(transcript, conversation(2000))
    last = text_with(transcript, "Question 999")
    with beating() as heart:
        point(QEvent.Type.MouseButtonPress, last.viewport(), at(last, "Question"))
        for step in range(60):
            point(QEvent.Type.MouseMove, last.viewport(), transcript.viewport().mapToGlobal(QPoint(80, 480 - 8 * step)))
            settle()
        point(QEvent.Type.MouseButtonRelease, last.viewport(), at(last, "Question"))
    sys.stdout.write(f"\n{heart.describe('a stroke')}\n")
    assert heart.worst_busy_ms < 200.0
