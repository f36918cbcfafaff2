"""What of a conversation is selected, from where to where, and which text that is. Pure.

    pointer, keys ──► Spot (message, row, position) ──► Selection ──► covered(row)    what its widget marks
                                                                 └──► pieces_of(…)   what is copied, row by row

A selection outlives its rows' widgets: it is two places in the column (`rows.py`), whoever draws them at the moment.
Positions count UTF-16 units of what a row shows, as Qt does; `END` lies behind everything, however much it grows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from meadow_desktop.chat.text.markdown_lines import find_item, is_below_head
from meadow_desktop.chat.text.segments import Code, Prose
from meadow_desktop.windows.chat.rows import Asked, Content, Editing, Ending

END = 2**31 - 1
WHOLE = (0, END)


class Spot(NamedTuple):
    """A place between two letters. Spots are in the order in which somebody reads."""

    message: int
    row: int
    position: int


@dataclass(frozen=True)
class Selection:
    """Everything between where it began and where it ends, whichever comes first."""

    anchor: Spot
    end: Spot

    @property
    def first(self) -> Spot:
        """The end that is read first."""
        return min(self.anchor, self.end)

    @property
    def last(self) -> Spot:
        """The other one."""
        return max(self.anchor, self.end)

    @property
    def is_empty(self) -> bool:
        """Nothing lies between its ends."""
        return self.anchor == self.end

    def covered(self, message: int, row: int) -> tuple[int, int] | None:
        """From which position of a row to which it reaches; None for a row that it leaves out."""
        first, last, here = self.first, self.last, (message, row)
        if not first[:2] <= here <= last[:2]:
            return None
        start = first.position if here == first[:2] else 0
        stop = last.position if here == last[:2] else END
        return (start, stop) if start < stop else None

    def outlives(self, changed: Iterable[int]) -> bool:
        """Whether it still says what it said after these messages became others, or went."""
        return not any(self.first.message <= place <= self.last.message for place in changed)


def all_of(messages: int) -> Selection:
    """The text of this many messages, also what the last of them still gets."""
    return Selection(Spot(0, 0, 0), Spot(messages - 1, END, END) if messages else Spot(0, 0, 0))


def stroke(origin: tuple[Spot, Spot], reached: tuple[Spot, Spot]) -> Selection:
    """What a stroke selects that began with `origin` (a letter's place, a word, a paragraph) and came to `reached`.

    What it began with stays selected, also when the pointer comes back across it.
    """
    if reached[0] < origin[0]:
        return Selection(origin[1], reached[0])
    return Selection(origin[0], max(origin[1], reached[1]))


@dataclass(frozen=True)
class Piece:
    """A row's part of what is copied, and what stands between it and the piece before."""

    joint: str
    content: Content
    start: int
    stop: int

    @property
    def is_whole(self) -> bool:
        """All of the row."""
        return (self.start, self.stop) == WHOLE


def pieces_of(selection: Selection, messages: Sequence[Iterable[Content]]) -> Iterator[Piece]:
    """What is copied, from first to last. Messages outside of the selection are not looked at."""
    last = min(selection.last.message, len(messages) - 1)
    is_first = True
    for message in range(selection.first.message, last + 1):
        before: Content | None = None
        for row, content in enumerate(messages[message]):
            reach = selection.covered(message, row)
            if reach is None or isinstance(content, Ending):
                continue
            joint = "" if is_first else "\n\n" if before is None else joint_between(before, content)
            yield Piece(joint, content, *reach)
            before, is_first = content, False


def joint_between(before: Content, content: Content) -> str:
    """What was between two rows of one message before it was cut."""
    match before, content:
        case Asked(_view, _is_last, joint), Asked():
            return joint
        case Code(), Code(continues=True):
            return "\n"
        case Prose(), Prose(text, indent, continues=True):
            return "\n" if indent or begins_in_list(text) or begins_with_table(text) else " "
        case _:
            return "\n\n"


def begins_in_list(markdown: str) -> bool:
    """Its first line is a list item."""
    return find_item(markdown.partition("\n")[0]) is not None


def begins_with_table(markdown: str) -> bool:
    """Its first two lines are the head of a table."""
    head, _line_end, rest = markdown.partition("\n")
    return is_below_head(rest.partition("\n")[0], head)


def plain_text(content: Content) -> str | None:
    """The text of a row that is shown as it was written; None for markdown, and for what has no text."""
    match content:
        case Asked(view) | Editing(view):
            return view.text
        case Code(_language, text):
            return text
        case _:
            return None
