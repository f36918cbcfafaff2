"""Which rows a selection covers, and what is copied of them; no widget is needed for either."""

from __future__ import annotations

import pytest
from PySide6.QtGui import QTextDocument

from meadow_desktop.chat.text.segments import Prose
from meadow_desktop.chat.words.view import AnswerView, MessageView, QuestionView
from meadow_desktop.windows.chat.markdown_text import MarkdownText, read_markdown
from meadow_desktop.windows.chat.row_text import read_piece
from meadow_desktop.windows.chat.rows import Letters, MessageRows
from meadow_desktop.windows.chat.selection import END, WHOLE, Selection, Spot, all_of, pieces_of, stroke
from meadow_desktop.windows.theme import LIGHT

ANSWER = """\
# Head

Some *words* 😀 with `code`, a [link](https://example.org) and $a_1$.
They go on.

1. one
2. two
   - inner
3. three

- [x] done

```py
def f():

    return 1
```

| a | b |
|---|---|
| c | 😀 d |

> quoted

    indented
    code
"""
COPIED = """\
Head

Some words 😀 with code, a link and $a_1$. They go on.

1. one
2. two
  - inner
3. three

- [x] done

def f():

    return 1

a\tb
c\t😀 d

quoted

indented
code"""


def copied(selection: Selection, *views: MessageView, opened: bool = True) -> str:
    messages = [MessageRows(view, Letters(), 700) for view in views]
    if opened:
        for message in messages:
            message.open(700)
    pieces = pieces_of(selection, [message.contents() for message in messages])
    return "".join(piece.joint + read_piece(piece) for piece in pieces)


def test_a_selection_covers_its_ends_in_part_and_what_lies_between_them_whole() -> None:
    selection = Selection(Spot(0, 1, 5), Spot(2, 0, 3))
    assert selection.covered(0, 0) is None
    assert selection.covered(0, 1) == (5, END)
    assert selection.covered(1, 7) == WHOLE
    assert selection.covered(2, 0) == (0, 3)
    assert selection.covered(2, 1) is None


def test_a_selection_covers_the_same_in_whichever_direction_it_was_made() -> None:
    there, back = Selection(Spot(0, 1, 5), Spot(2, 0, 3)), Selection(Spot(2, 0, 3), Spot(0, 1, 5))
    rows = [(message, row) for message in range(3) for row in range(3)]
    assert [there.covered(*row) for row in rows] == [back.covered(*row) for row in rows]


def test_an_end_at_the_very_beginning_of_a_row_takes_nothing_of_it() -> None:
    assert Selection(Spot(0, 0, 2), Spot(0, 1, 0)).covered(0, 1) is None
    assert Selection(Spot(0, 0, 2), Spot(0, 0, 2)).is_empty


def test_the_word_a_stroke_began_with_stays_selected_when_the_pointer_goes_back() -> None:
    word = (Spot(1, 0, 10), Spot(1, 0, 15))
    onwards = stroke(word, (Spot(1, 2, 4), Spot(1, 2, 8)))
    assert (onwards.first, onwards.last) == (Spot(1, 0, 10), Spot(1, 2, 8))
    back = stroke(word, (Spot(0, 0, 3), Spot(0, 0, 6)))
    assert (back.first, back.last) == (Spot(0, 0, 3), Spot(1, 0, 15))
    assert back.end == Spot(0, 0, 3)
    inside = stroke(word, word)
    assert (inside.first, inside.last) == word


def test_a_selection_is_lost_only_with_a_message_it_reaches() -> None:
    selection = Selection(Spot(3, 0, 0), Spot(1, 0, 0))
    assert selection.outlives([0, 4, 5])
    assert not selection.outlives([2])
    assert not selection.outlives([3])


def test_an_answer_is_copied_as_text_with_bullets_numbers_and_cells() -> None:
    assert copied(all_of(1), AnswerView(ANSWER)) == COPIED


def test_messages_are_parted_by_a_blank_line_whether_they_were_ever_seen_or_not() -> None:
    views = [QuestionView("Why?"), AnswerView("*So.*"), QuestionView("And\nthen?")]
    assert copied(all_of(3), *views) == "Why?\n\nSo.\n\nAnd\nthen?"
    assert copied(all_of(3), *views, opened=False) == "Why?\n\nSo.\n\nAnd\nthen?"


def test_the_ends_are_copied_as_far_as_they_were_selected() -> None:
    views = [AnswerView("The **first** words\n\n```py\nx = '😀'\ny = 2\nz = 3\n```\n\nlast 😀 words")]
    assert copied(Selection(Spot(0, 0, 4), Spot(0, 2, 7)), *views) == "first words\n\nx = '😀'\ny = 2\nz = 3\n\nlast 😀"
    assert copied(Selection(Spot(0, 1, 5), Spot(0, 1, 13)), *views) == "😀'\ny = "
    assert copied(Selection(Spot(0, 0, 4), Spot(0, 0, 9)), *views) == "first"


def test_a_list_item_has_its_bullet_only_when_it_is_selected_from_its_beginning() -> None:
    answer = AnswerView("- one\n- two\n- three")
    assert copied(Selection(Spot(0, 0, 1), Spot(0, 0, 7)), answer) == "ne\n- two"


def test_what_was_cut_for_drawing_comes_together_again() -> None:
    code = "\n".join(f"line {number}" for number in range(600))
    assert copied(all_of(1), AnswerView(f"```\n{code}\n```")) == code
    question = "\n".join(f"line {number} and more" for number in range(900)) + " end" + "x" * 9000
    assert copied(all_of(1), QuestionView(question)) == question
    items = "\n".join(f"- item {number} with words that make it longer" for number in range(90))
    assert copied(all_of(1), AnswerView(items)) == items
    sentences = " ".join(f"Sentence {number} of a paragraph." for number in range(400))
    assert copied(all_of(1), AnswerView(sentences)) == sentences


def test_the_head_of_a_long_table_is_copied_once() -> None:
    rows = "".join(f"| {number} | x |\n" for number in range(100))
    lines = copied(all_of(1), AnswerView(f"| n | m |\n|---|---|\n{rows}")).split("\n")
    assert lines == ["n\tm", *(f"{number}\tx" for number in range(100))]


def test_everything_takes_in_what_the_last_message_still_gets_but_no_new_message() -> None:
    everything = all_of(1)
    assert copied(everything, AnswerView("one\n\n```\ntwo\n```\n\nthree")) == "one\n\ntwo\n\nthree"
    assert copied(everything, AnswerView("one"), QuestionView("new")) == "one"
    assert copied(all_of(0)) == ""


@pytest.mark.usefixtures("application")
@pytest.mark.parametrize("markdown", [ANSWER, "![a picture](x.png) and ![](y.png)", "$$\na_1\n$$\n\nx  \ny"])
def test_what_is_read_without_a_widget_has_every_letter_in_the_place_where_it_is_shown(markdown: str) -> None:
    message = MessageRows(AnswerView(markdown), Letters(), 700)
    for content in message.contents():
        if isinstance(content, Prose):
            shown, document = MarkdownText(), QTextDocument()
            shown.show_markdown(content.text, LIGHT)
            read_markdown(document, content.text)
            assert document.toPlainText() == shown.toPlainText()
            shown.deleteLater()
