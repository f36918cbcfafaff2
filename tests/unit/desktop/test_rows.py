"""Where rows lie while most heights are guesses."""

from __future__ import annotations

from meadow_desktop.chat.words.view import AnswerView, QuestionView
from meadow_desktop.windows.chat.rows import MESSAGE_GAP, Asked, Column, Ending, Letters, MessageRows

WIDTH = 700


def make_column(count: int) -> Column:
    column = Column()
    for number in range(count):
        column.messages.append(MessageRows(QuestionView(f"Question {number}"), Letters(), WIDTH))
        column.messages.append(MessageRows(AnswerView("Words of an answer. " * 200), Letters(), WIDTH))
    column.measure()
    return column


def test_the_column_is_as_high_as_its_messages() -> None:
    column = make_column(3)
    heights = sum(message.height for message in column.messages)
    assert column.height == 24 + heights + 5 * MESSAGE_GAP + 24
    assert Column().height == 48


def test_a_place_stays_the_same_row_when_rows_above_turn_out_higher() -> None:
    column = make_column(10)
    for message in column.messages:
        message.open(WIDTH)
    column.measure()
    middle = column.height // 2
    place = column.place_at(middle)
    assert column.height_of(place) == middle
    column.messages[0].rows[0].height += 500
    column.measure()
    assert column.height_of(place) == middle + 500
    assert column.place_at(middle + 500) == place


def test_only_messages_in_the_window_are_asked_for() -> None:
    column = make_column(100)
    assert column.closed_between(0, 40) == [0]
    assert column.rows_between(0, 500) == []
    for number in column.closed_between(0, 500):
        column.messages[number].open(WIDTH)
    column.measure()
    rows = column.rows_between(0, 500)
    assert rows[0] == (0, 0, 24)
    assert [top for _message, _row, top in rows] == sorted(top for _message, _row, top in rows)


def test_a_text_that_grows_keeps_its_rows_and_another_text_waits_to_be_cut() -> None:
    message = MessageRows(AnswerView("One."), Letters(), WIDTH)
    message.open(WIDTH)
    first = message.rows[0]
    first.is_measured = True
    assert message.show(AnswerView("One. Two."), WIDTH) == []
    assert message.rows[0] is first
    assert not first.is_measured
    gone = message.show(AnswerView("Another answer"), WIDTH)
    assert first in gone
    assert not message.is_open
    assert message.height > 0


def test_a_pasted_book_is_a_question_in_parts() -> None:
    text = "A line of the book\n" * 2000
    message = MessageRows(QuestionView(text), Letters(), WIDTH)
    message.open(WIDTH)
    parts = [row.content for row in message.rows]
    assert len(parts) > 5
    assert [part.is_last for part in parts if isinstance(part, Asked)] == [False] * (len(parts) - 1) + [True]
    assert "\n".join(part.view.text for part in parts if isinstance(part, Asked)) == text


def test_what_is_below_an_answer_is_its_last_row() -> None:
    message = MessageRows(AnswerView("One.", footer="Stopped"), Letters(), WIDTH)
    message.open(WIDTH)
    assert message.rows[-1].content == Ending(AnswerView("", footer="Stopped"))
