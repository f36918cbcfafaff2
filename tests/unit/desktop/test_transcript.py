"""A long conversation and a long answer: in order, at the reader's place, and without holding the window up.

The limits are four times what somebody may feel (50 ms), because tests share their computer; what was measured is
printed (`pytest -s`). Only what Qt's own thread computed counts.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QGuiApplication, QKeyEvent
from PySide6.QtWidgets import QApplication, QPushButton, QTextEdit, QWidget

from fakes.desktop_qt import settle, wait_until
from fakes.heartbeat import beating
from meadow_desktop.chat.words.view import AnswerView, MessageView, QuestionView
from meadow_desktop.windows.chat.code_card import CodeCard
from meadow_desktop.windows.chat.markdown_text import MarkdownText
from meadow_desktop.windows.chat.message_widgets import QuestionWidget
from meadow_desktop.windows.chat.transcript import Transcript
from meadow_desktop.windows.theme import DARK, LIGHT, apply_text_size, apply_theme

LIMIT_MS = 200.0
ROWS = (MarkdownText, CodeCard, QuestionWidget)


@pytest.fixture
def transcript() -> Iterator[Transcript]:
    transcript = Transcript()
    transcript.resize(700, 500)
    transcript.show()
    yield transcript
    transcript.close()
    transcript.deleteLater()


def draw(transcript: Transcript, views: list[MessageView]) -> None:
    transcript.show_messages(views, LIGHT)
    wait_until(lambda: transcript.is_finished)
    settle()


def conversation(count: int) -> list[MessageView]:
    views: list[MessageView] = []
    for number in range(count // 2):
        views.append(QuestionView(f"Question {number}"))
        views.append(AnswerView(f"Answer {number}: " + section(number)[: 300 + number % 7 * 400], can_copy=True))
    return views


def section(number: int) -> str:
    words = "Layers of a model travel from one **computer** to the next, and `tokens` come back. "
    code = "".join(f"def part_{line}(hidden):\n    return hidden + {line}  # one more\n" for line in range(12))
    table = "".join(f"| row {line} | $x_{line}$ | words in a cell |\n" for line in range(8))
    items = "".join(f"- item {line}: {words}\n" for line in range(5))
    return (
        f"## Part {number}\n\n{words * 6}\n\n{items}\n```python\n{code}```\n\n| a | b | c |\n|---|---|---|\n{table}\n"
        f"> {words}\n\n{words * 5}\n\n"
    )


def texts_in_sight(transcript: Transcript) -> list[str]:
    """The words that somebody sees, from above to below."""
    seen = []
    window = transcript.viewport()
    for text in window.findChildren(QTextEdit):
        place = text.mapTo(window, QPoint(0, 0)).y()
        if text.isVisible() and place < window.height() and place + text.height() > 0:
            seen.append((place, text.toPlainText()))
    return [words for _place, words in sorted(seen)]


def test_rows_stand_below_one_another_in_order(transcript: Transcript) -> None:
    draw(transcript, [QuestionView("one"), AnswerView("two\n\n```\nthree\n```\n\nfour"), QuestionView("five")])
    assert texts_in_sight(transcript) == ["one", "two", "three", "four", "five"]


def test_a_growing_answer_keeps_its_widgets(transcript: Transcript) -> None:
    text = "Intro\n\n```python\nx = 1\n```\n\nEnd"
    draw(transcript, [QuestionView("q"), AnswerView(text[:20])])
    before = transcript.findChildren(MarkdownText)
    for length in range(20, len(text) + 1):
        transcript.show_messages([QuestionView("q"), AnswerView(text[:length])], LIGHT)
    settle()
    assert [each.findChildren(QTextEdit)[0].toPlainText() for each in transcript.findChildren(CodeCard)] == ["x = 1"]
    assert [prose.toPlainText() for prose in transcript.findChildren(MarkdownText)] == ["Intro", "End"]
    assert transcript.findChildren(MarkdownText)[0] is before[0]


def test_the_transcript_follows_the_end_only_while_the_reader_is_there(transcript: Transcript) -> None:
    bar = transcript.verticalScrollBar()

    def show(paragraphs: int) -> None:
        draw(transcript, [QuestionView("q"), AnswerView("Some words.\n\n" * paragraphs)])

    show(30)
    assert bar.value() == bar.maximum() > 0
    show(40)
    assert bar.value() == bar.maximum()
    bar.setValue(10)
    show(60)
    assert bar.value() == 10
    transcript.go_to_end()
    show(70)
    assert bar.value() == bar.maximum()


def test_only_what_is_near_has_widgets_and_the_last_words_are_in_sight(transcript: Transcript) -> None:
    views = [*conversation(2000), AnswerView("The very end")]
    draw(transcript, views)
    assert texts_in_sight(transcript)[-1] == "The very end"
    assert len(transcript.findChildren(QTextEdit)) < 60
    transcript.verticalScrollBar().setValue(0)
    wait_until(lambda: transcript.is_finished)
    assert texts_in_sight(transcript)[0] == "Question 0"
    settle()
    assert len(transcript.findChildren(QTextEdit)) < 60


def test_the_reader_stays_at_a_line_while_heights_above_become_known(transcript: Transcript) -> None:
    draw(transcript, conversation(300))
    bar = transcript.verticalScrollBar()
    bar.setValue(bar.maximum() // 2)
    wait_until(lambda: transcript.is_finished)
    window = transcript.viewport()
    marks = [each for each in transcript.findChildren(MarkdownText) if each.isVisible()]
    mark = min(marks, key=lambda each: abs(each.mapTo(window, QPoint(0, 0)).y() - 100))
    for _step in range(30):
        before = mark.mapTo(window, QPoint(0, 0)).y()
        bar.setValue(bar.value() - 20)
        wait_until(lambda: transcript.is_finished)
        moved = mark.mapTo(window, QPoint(0, 0)).y() - before
        # The line at the window's edge holds still; what lies below it moves with the wheel, and by nothing else.
        assert moved == 20


def test_a_width_that_changes_keeps_what_is_read_in_sight(transcript: Transcript) -> None:
    draw(transcript, conversation(200))
    bar = transcript.verticalScrollBar()
    bar.setValue(bar.maximum() // 3)
    wait_until(lambda: transcript.is_finished)
    read = texts_in_sight(transcript)[0]
    transcript.resize(480, 500)
    wait_until(lambda: transcript.is_finished)
    assert read in texts_in_sight(transcript)
    assert all(each.width() <= 480 for each in transcript.findChildren(MarkdownText) if each.isVisible())


def test_larger_letters_need_more_room(transcript: Transcript, application: QApplication) -> None:
    draw(
        transcript,
        [QuestionView("q"), AnswerView("Words that fill lines. " * 20 + "\n\n```\ncode\n```", can_copy=True)],
    )
    before = {type(each): each.height() for each in transcript.findChildren(QWidget) if isinstance(each, ROWS)}
    try:
        apply_text_size(application, 150)
        apply_theme(application, LIGHT)
        settle()
        wait_until(lambda: transcript.is_finished)
        after = {type(each): each.height() for each in transcript.findChildren(QWidget) if isinstance(each, ROWS)}
    finally:
        apply_text_size(application, 100)
        apply_theme(application, LIGHT)
    assert len(after) == 3
    assert all(after[kind] > height * 1.1 for kind, height in before.items())


def test_another_conversation_takes_the_place_of_one(transcript: Transcript) -> None:
    draw(transcript, conversation(60))
    draw(transcript, [QuestionView("new"), AnswerView("words")])
    assert texts_in_sight(transcript) == ["new", "words"]
    draw(transcript, [])
    assert texts_in_sight(transcript) == []
    assert len(transcript.findChildren(QTextEdit)) == 0


def test_copying_takes_the_answer_as_it_was_written_and_long_code_whole(transcript: Transcript) -> None:
    code = "\n".join(f"line {number}" for number in range(600))
    answer = f"Look, $a_1$:\n\n```text\n{code}\n```\n"
    draw(transcript, [QuestionView("q"), AnswerView(answer, can_copy=True)])
    button(transcript, "copy-answer").click()
    assert QGuiApplication.clipboard().text() == answer
    transcript.verticalScrollBar().setValue(0)
    wait_until(lambda: transcript.is_finished)
    button(transcript, "copy-code").click()
    assert QGuiApplication.clipboard().text() == code


def test_the_tab_key_goes_from_above_to_below(transcript: Transcript) -> None:
    draw(transcript, conversation(100))
    transcript.verticalScrollBar().setValue(transcript.verticalScrollBar().value() - 900)
    wait_until(lambda: transcript.is_finished)
    stop: QWidget = transcript
    heights = []
    for _step in range(12):
        stop = stop.nextInFocusChain()
        while not isinstance(stop, (QTextEdit, QPushButton)):
            stop = stop.nextInFocusChain()
        heights.append(stop.mapTo(transcript.viewport(), QPoint(0, 0)).y())
    assert heights == sorted(heights)


def test_page_up_scrolls_also_from_inside_of_a_text(transcript: Transcript) -> None:
    draw(transcript, conversation(100))
    bar = transcript.verticalScrollBar()
    text = next(each for each in transcript.findChildren(MarkdownText) if each.isVisible())
    press = QKeyEvent(QKeyEvent.Type.KeyPress, Qt.Key.Key_PageUp, Qt.KeyboardModifier.NoModifier)
    QApplication.sendEvent(text, press)
    assert bar.value() < bar.maximum() - 200


def test_a_long_answer_streams_without_holding_the_window_up(transcript: Transcript) -> None:
    text = "".join(section(number) for number in range(64))
    assert len(text.split()) > 20_000
    step = len(text) // 60 + 1
    with beating() as heart:
        for length in range(step, len(text) + step, step):
            transcript.show_messages([QuestionView("q"), AnswerView(text[:length], is_writing=True)], LIGHT)
            settle()
    report(heart.describe(f"streaming {len(text.split())} words"))
    bar = transcript.verticalScrollBar()
    assert bar.value() == bar.maximum() > 5000
    assert heart.worst_busy_ms < LIMIT_MS


def test_two_thousand_messages_open_and_scroll_without_holding_the_window_up(transcript: Transcript) -> None:
    views = conversation(2000)
    with beating() as heart:
        draw(transcript, views)
    report(heart.describe("opening 2,000 messages"))
    bar = transcript.verticalScrollBar()
    with beating() as scrolling:
        for _step in range(40):
            bar.setValue(bar.value() - 300)
            settle()
        for place in (0.1, 0.9, 0.5, 0.3):
            bar.setValue(int(bar.maximum() * place))
            wait_until(lambda: transcript.is_finished)
    report(scrolling.describe("scrolling 2,000 messages"))
    assert heart.worst_busy_ms < LIMIT_MS
    assert scrolling.worst_busy_ms < LIMIT_MS


def test_light_and_dark_change_places_without_holding_the_window_up(
    transcript: Transcript, application: QApplication
) -> None:
    views = conversation(2000)
    draw(transcript, views)
    try:
        with beating() as heart:
            for theme in (DARK, LIGHT, DARK):
                apply_theme(application, theme)
                transcript.show_messages(views, theme)
                wait_until(lambda: transcript.is_finished)
                time.sleep(0.01)
        report(heart.describe("light and dark"))
    finally:
        apply_theme(application, LIGHT)
    assert heart.worst_busy_ms < LIMIT_MS


def report(line: str) -> None:
    sys.stdout.write(f"\n{line}\n")


def button(transcript: Transcript, name: str) -> QPushButton:
    found = [each for each in transcript.findChildren(QPushButton, name) if each.isVisible()]
    assert found
    return found[-1]
