"""What the transcript shows, as rows with heights: guessed until a row is near the reader, then measured. Pure.

    views ──► MessageRows (one per message; cut into rows only when it comes near) ──► Row (content, gap, height)

A row is a part of a question, its editor, a segment of an answer, or the lines below an answer. No row's content is
large, so that building or measuring one takes a few milliseconds at most.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from meadow_desktop.chat.text.segments import AnswerCutter, Code, Prose, Segment
from meadow_desktop.chat.words.view import AnswerView, MessageView, QuestionView

MESSAGE_GAP = 12
SEGMENT_GAP = 10
_ITEM_GAP = 3
_ENDING_HEIGHT = 62
_ASKED_HEIGHT = 46
_QUESTION_CHARACTERS = 4000


@dataclass(frozen=True)
class Ending:
    """All of an answer but its words: what is going on, what went wrong, where it came from, the buttons."""

    view: AnswerView


@dataclass(frozen=True)
class Asked:
    """A question, or a part of a very long one. `joint` stood between this part and the next."""

    view: QuestionView
    is_last: bool = True
    joint: str = ""


@dataclass(frozen=True)
class Editing:
    """A question that is being put in other words."""

    view: QuestionView


Content = Asked | Editing | Prose | Code | Ending


@dataclass(frozen=True)
class Letters:
    """Size of the ordinary font in pixels; for guesses."""

    width: float = 7.0
    height: float = 22.0


@dataclass(eq=False)
class Row:
    """One row. Its height is a guess until a widget was fitted to the content."""

    content: Content
    gap: int
    height: int
    is_measured: bool = False


@dataclass(frozen=True)
class Place:
    """A row, and how far below the upper edge of the window it begins (negative: above it)."""

    message: int
    row: int
    offset: int


class MessageRows:
    """One message. Before it is opened its height is a guess from the length of its text."""

    def __init__(self, view: MessageView, letters: Letters, width: int) -> None:
        self.view = view
        self.rows: list[Row] = []
        self.is_open = False
        self.is_edited = False
        self._cutter: AnswerCutter | None = None
        self._letters = letters
        self._guess = 0
        self.guess(width)

    @property
    def height(self) -> int:
        """In pixels, without the gap to the message before."""
        return sum(row.gap + row.height for row in self.rows) if self.is_open else self._guess

    @property
    def segments(self) -> list[Segment]:
        """What the answer was cut into."""
        return [row.content for row in self.rows if isinstance(row.content, (Prose, Code))]

    def contents(self) -> Iterable[Content]:
        """What its rows show now. A message that is not open stays so, and is cut when somebody goes through this."""
        return [row.content for row in self.rows] if self.is_open else _Uncut(self.view)

    def guess(self, width: int) -> None:
        """Guess all heights that were not measured at this width."""
        ending = _ENDING_HEIGHT if isinstance(self.view, AnswerView) else _ASKED_HEIGHT
        self._guess = _guess_text(self.view.text, width, self._letters) + ending
        for row in self.rows:
            if not row.is_measured:
                row.height = self._guess_row(row.content, width)

    def edit(self, width: int, *, is_edited: bool) -> list[Row]:
        """Put an editor in the place of a question, or the question back; answers with the rows that are gone."""
        if not isinstance(self.view, QuestionView) or is_edited == self.is_edited:
            return []
        before, self.rows, self.is_edited = self.rows, [], is_edited
        self.open(width)
        return before

    def forget_heights(self, letters: Letters, width: int) -> None:
        """The letters have another size now."""
        self._letters = letters
        for row in self.rows:
            row.is_measured = False
        self.guess(width)

    def open(self, width: int) -> None:
        """Cut the message into rows; those whose content stays are kept."""
        contents = self._contents()
        rows = []
        for place, content in enumerate(contents):
            old = self.rows[place] if place < len(self.rows) else None
            gap = _gap_above(content) if place else 0
            if old is None or type(old.content) is not type(content):
                rows.append(Row(content, gap, self._guess_row(content, width)))
                continue
            if old.content is not content and old.content != content:
                old.content, old.is_measured = content, False
            old.gap = gap
            rows.append(old)
        self.rows, self.is_open = rows, True

    def show(self, view: MessageView, width: int) -> list[Row]:
        """Take another view in this place, of the same kind; answers with the rows that are gone.

        Only a text that has grown is cut again at once. Another one waits until it is near the reader: when another
        conversation is opened all messages are exchanged, and only a few of them are seen.
        """
        if view is self.view or view == self.view:
            return []
        before, grows = self.rows, view.text.startswith(self.view.text)
        if view.message_id != self.view.message_id:
            self.is_edited = False
        self.view = view
        if self.is_open and grows:
            self.open(width)
            kept = set(self.rows)
            return [row for row in before if row not in kept] if len(before) >= len(self.rows) else []
        self.rows, self.is_open = [], False
        self.guess(width)
        return before

    def _contents(self) -> list[Content]:
        if isinstance(self.view, QuestionView):
            return [Editing(self.view)] if self.is_edited else _cut_question(self.view)
        self._cutter = self._cutter or AnswerCutter()
        return _cut_answer(self.view, self._cutter)

    def _guess_row(self, content: Content, width: int) -> int:
        match content:
            case Asked(view):
                return _guess_text(view.text, round(width * 0.8), self._letters) + _ASKED_HEIGHT
            case Editing(view):
                return min(400, _guess_text(view.text, width, self._letters)) + 70
            case Prose(text):
                return _guess_text(text, width, self._letters)
            case Code(_language, text):
                return round((text.count("\n") + 1) * self._letters.height * 0.8) + 52
            case Ending():
                return _ENDING_HEIGHT


class Column:
    """All messages below one another: what lies where. Heights in pixels; 0 is the column's upper edge."""

    def __init__(self, top: int = 24, bottom: int = 24) -> None:
        self.messages: list[MessageRows] = []
        self._top, self._bottom = top, bottom
        self._tops: list[int] = [top]

    @property
    def height(self) -> int:
        """With the margins above and below."""
        return self._tops[-1] - (MESSAGE_GAP if self.messages else 0) + self._bottom

    def measure(self) -> None:
        """Add the heights up again, after some have changed."""
        heights = (message.height + MESSAGE_GAP for message in self.messages)
        self._tops = list(accumulate(heights, initial=self._top))

    def top_of(self, message: int, row: int) -> int:
        """Where a row begins, below its gap."""
        rows = self.messages[message].rows[:row]
        gap = self.messages[message].rows[row].gap if row < len(self.messages[message].rows) else 0
        return self._tops[message] + sum(each.gap + each.height for each in rows) + gap

    def closed_between(self, above: int, below: int) -> list[int]:
        """Messages between two heights that have not been opened."""
        return [place for place in self._messages_between(above, below) if not self.messages[place].is_open]

    def rows_between(self, above: int, below: int) -> list[tuple[int, int, int]]:
        """The rows that lie between two heights, even in part: message, row, where it begins."""
        found = []
        for message in self._messages_between(above, below):
            top = self._tops[message]
            for place, row in enumerate(self.messages[message].rows):
                top += row.gap
                if top + row.height > above and top < below:
                    found.append((message, place, top))
                top += row.height
        return found

    def find(self, row: Row) -> tuple[int, int] | None:
        """The message and the place of a row; None when it is gone."""
        for number, message in enumerate(self.messages):
            if row in message.rows:
                return number, message.rows.index(row)
        return None

    def place_at(self, height: int) -> Place:
        """The row at this height, seen by somebody whose window begins there."""
        if not self.messages:
            return Place(0, 0, 0)
        message = min(max(0, bisect_right(self._tops, height) - 1), len(self.messages) - 1)
        rows = self.messages[message].rows
        top, row = self._tops[message], 0
        while row < len(rows) - 1 and top + rows[row].gap + rows[row].height <= height:
            top += rows[row].gap + rows[row].height
            row += 1
        return Place(message, row, self.top_of(message, row) - height)

    def height_of(self, place: Place) -> int:
        """Where the window has to begin so that this row lies where it lay."""
        if not self.messages:
            return 0
        message = min(place.message, len(self.messages) - 1)
        row = min(place.row, max(0, len(self.messages[message].rows) - 1))
        return self.top_of(message, row) - place.offset

    def _messages_between(self, above: int, below: int) -> range:
        first = max(0, bisect_right(self._tops, above) - 1)
        last = bisect_right(self._tops, below)
        return range(first, min(last, len(self.messages)))


@dataclass(frozen=True)
class _Uncut:
    view: MessageView

    def __iter__(self) -> Iterator[Content]:
        if isinstance(self.view, QuestionView):
            return iter(_cut_question(self.view))
        return iter(_cut_answer(self.view, AnswerCutter()))


def _cut_question(view: QuestionView) -> list[Content]:
    *parts, (last, _joint) = _parts(view.text)
    asked = [Asked(replace(view, text=part), is_last=False, joint=joint) for part, joint in parts]
    return [*asked, Asked(replace(view, text=last))]


def _cut_answer(view: AnswerView, cutter: AnswerCutter) -> list[Content]:
    return [*cutter.cut(view.text), Ending(replace(view, text=""))]


def _gap_above(content: Content) -> int:
    match content:
        case Prose(continues=True):
            return _ITEM_GAP
        case Code(continues=True) | Asked() | Editing():
            return 0
        case _:
            return SEGMENT_GAP


def _guess_text(text: str, width: int, letters: Letters) -> int:
    in_a_line = max(10.0, width / letters.width)
    lines = text.count("\n") * 0.8 + len(text) / in_a_line + 1
    return round(lines * letters.height)


def _parts(text: str) -> Sequence[tuple[str, str]]:
    """A question in parts of bounded size, cut at lines or words where there are any, and what stood behind each."""
    parts = []
    while len(text) > _QUESTION_CHARACTERS:
        least = _QUESTION_CHARACTERS // 2
        here = text.rfind("\n", least, _QUESTION_CHARACTERS)
        if here < 0:
            here = text.rfind(" ", least, _QUESTION_CHARACTERS)
        if here < 0:
            parts.append((text[:_QUESTION_CHARACTERS], ""))
            text = text[_QUESTION_CHARACTERS:]
        else:
            parts.append((text[:here], text[here]))
            text = text[here + 1 :]
    return [*parts, (text, "")]
