"""Cuts an answer's markdown into segments of bounded size, each of which is drawn by a widget of its own. Pure.

A segment is fenced code, a table, or a stretch of other markdown. `AnswerCutter` follows an answer that grows: what
lies before the last segment is never looked at again, so that an update costs the same on page 1 and on page 100.

- Fences are cut out at the margin (at most three spaces in) and inside list items, there without their indentation.
- Long prose is cut between paragraphs, list items or quoted lines; a paragraph that never ends, after a sentence.
- Long tables and long code go on in another segment (`continues`); a table's head is repeated there.
- While an answer is being written its last fence may be open: then the rest is code.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from meadow_desktop.chat.text.markdown_lines import (
    closes_fence,
    find_definition,
    find_item,
    find_labels,
    find_opening,
    indent_of,
    is_below_head,
    is_heading,
    sentence_end,
)

SOFT_CHARACTERS = 1500  # a segment this long ends where the next paragraph or item begins
HARD_CHARACTERS = 4000  # … and this long, wherever a line or a sentence ends
CODE_CHARACTERS = 12_000
CODE_LINES = 240
TABLE_LINES = 40
_MOST_DEFINITIONS = 200


@dataclass(frozen=True)
class Prose:
    """Markdown without fenced code. `indent`: columns of the list item it belongs to."""

    text: str
    indent: int = 0
    continues: bool = False


@dataclass(frozen=True)
class Code:
    """The inside of a fence, or a part of it, and the language it named (may be empty)."""

    language: str
    text: str
    indent: int = 0
    continues: bool = False


Segment = Prose | Code


def cut(markdown: str) -> list[Segment]:
    """The segments in order; prose of nothing but blank lines is left out."""
    return AnswerCutter().cut(markdown)


def whole_code(segments: list[Segment], place: int) -> str:
    """All the code of the fence that has a part at this place."""
    first = place
    while first > 0 and isinstance(segments[first], Code) and segments[first].continues:
        first -= 1
    parts = [segments[first].text]
    for segment in segments[first + 1 :]:
        if not (isinstance(segment, Code) and segment.continues):
            break
        parts.append(segment.text)
    return "\n".join(parts)


@dataclass(frozen=True)
class _Start:
    """Where a segment begins, and inside of what."""

    at: int = 0
    fence: str = ""
    language: str = ""
    indent: int = 0
    continues: bool = False
    in_list: bool = False
    content_indent: int = 0
    prefix: str = ""


@dataclass
class _Open:
    """The segment that lines are being added to."""

    start: _Start
    lines: list[str] = field(default_factory=list)
    begins: list[int] = field(default_factory=list)  # where each line lies in the markdown
    size: int = 0
    in_list: bool = False
    content_indent: int = 0
    indent: int = 0
    is_table: bool = False
    is_after_blank: bool = True
    has_words: bool = False

    def add(self, line: str, at: int) -> None:
        if not self.lines and self.start.prefix:
            line = self.start.prefix + line
        self.lines.append(line)
        self.begins.append(at)
        self.size += len(line) + 1


class AnswerCutter:
    """Cuts one answer again and again while it grows; a text that does not begin like the last is cut from scratch."""

    def __init__(self) -> None:
        self._seen = ""
        self._start = _Start()  # of the segment that is open; nothing before it is looked at again
        self._raw: list[Segment] = []  # finished, as they were written
        self._done: list[Segment] = []  # … with the addresses of their links
        self._waiting: list[Segment] = []  # may change with the next letter
        self._definitions: dict[str, str] = {}

    def cut(self, markdown: str) -> list[Segment]:
        """All segments; those that are finished are the same objects as the last time."""
        if not markdown.startswith(self._seen):
            self._forget()
        self._seen = markdown
        self._waiting = []
        piece, at = _begin(self._start), self._start.at
        while at <= len(markdown):
            end = markdown.find("\n", at)
            is_complete = end >= 0
            end = end if is_complete else len(markdown)
            piece = self._take(piece, markdown[at:end], at, is_complete)
            at = end + 1
        self._close(piece, None)
        return [*self._done, *(self._with_definitions(each) for each in self._waiting)]

    def _forget(self) -> None:
        self._start = _Start()
        self._raw, self._done, self._waiting = [], [], []
        self._definitions = {}

    def _take(self, piece: _Open, line: str, at: int, is_complete: bool) -> _Open:
        """Add a line; answers with the segment that is open behind it."""
        after = at + len(line) + 1
        if piece.start.fence:
            return self._take_code(piece, line, at, is_complete)
        if "\t" in line[: indent_of(line)] and len(line) <= HARD_CHARACTERS:
            line = line[: indent_of(line)].expandtabs(4) + line.lstrip(" \t")
        opening = find_opening(line, piece.content_indent if piece.in_list else 0)
        if opening is not None:
            words = opening["info"].split()
            indent = len(opening["indent"].expandtabs(4)) if piece.in_list else 0
            start = _Start(
                after,
                opening["fence"],
                words[0] if words else "",
                indent,
                in_list=piece.in_list,
                content_indent=piece.content_indent,
            )
            return self._close(piece, start, keep=is_complete)
        if piece.is_after_blank and is_complete and find_definition(line) and not piece.in_list:
            self._define(line)
            return piece
        if not line.strip():
            piece.add(line, at)
            piece.is_after_blank = True
            return piece
        is_long = len(line) > HARD_CHARACTERS
        piece = self._begin_where_due(piece, line, at, keep=is_complete or is_long)
        while len(line) > HARD_CHARACTERS and not piece.is_table:
            here = sentence_end(line, HARD_CHARACTERS)
            _note(piece, line)
            piece.add(line[:here].rstrip(" "), at)
            prefix = "> " if line.lstrip().startswith(">") else ""
            indent = piece.content_indent if piece.in_list else 0
            at, line = at + here, line[here:]
            start = _Start(at, indent=indent, continues=True, prefix=prefix)
            piece = self._close(piece, start)
        _note(piece, line)
        piece.add(line[min(piece.indent, indent_of(line)) :] if piece.in_list else line, at)
        return piece

    def _take_code(self, piece: _Open, line: str, at: int, is_complete: bool) -> _Open:
        start = piece.start
        if closes_fence(line, start.fence, start.indent):
            after = _Start(at + len(line) + 1, in_list=start.in_list, content_indent=start.content_indent)
            return self._close(piece, after, keep=is_complete)
        if len(piece.lines) >= CODE_LINES or piece.size >= CODE_CHARACTERS:
            piece = self._close(piece, replace(start, at=at, continues=True), keep=is_complete)
        piece.add(line[min(start.indent, indent_of(line)) :], at)
        return piece

    def _begin_where_due(self, piece: _Open, line: str, at: int, *, keep: bool) -> _Open:
        """A new segment where this line is the first of one, else the open one."""
        if not piece.has_words:
            return piece
        indent, is_marker = indent_of(line), find_item(line) is not None
        if piece.is_table:
            if piece.is_after_blank or "|" not in line:
                return self._close(piece, _Start(at), keep=keep)
            if len(piece.lines) >= TABLE_LINES:
                head = "\n".join(piece.lines[:2]) + "\n"
                return self._close(piece, _Start(at, continues=True, prefix=head), keep=keep)
            return piece
        if not piece.in_list and not piece.is_after_blank and is_below_head(line, piece.lines[-1]):
            if len(piece.lines) > 1:
                piece = self._split_head(piece, keep=keep)
            piece.is_table = True
            return piece
        begins_block = is_heading(line) or piece.is_after_blank
        if piece.in_list and (is_marker or indent >= 2 or not begins_block):
            is_next_item = is_marker and indent <= piece.indent
            full = piece.size >= (SOFT_CHARACTERS if is_next_item else HARD_CHARACTERS)
            if full or indent < piece.indent:
                inside = indent if indent >= 2 else 0
                start = _Start(at, "", "", inside, True, in_list=True, content_indent=piece.content_indent)
                return self._close(piece, start, keep=keep)
            return piece
        if piece.size >= HARD_CHARACTERS or (begins_block and piece.size >= SOFT_CHARACTERS):
            return self._close(piece, _Start(at, continues=not begins_block), keep=keep)
        return piece

    def _split_head(self, piece: _Open, *, keep: bool) -> _Open:
        """The last line turned out to be a table's head: it begins a segment of its own."""
        line, at = piece.lines.pop(), piece.begins.pop()
        table = self._close(piece, _Start(at), keep=keep)
        _note(table, line)
        table.add(line, at)
        return table

    def _close(self, piece: _Open, start: _Start | None, *, keep: bool = True) -> _Open:
        """End the open segment. It is final when another begins (`start`) at a line that cannot change (`keep`)."""
        segment = _make(piece)
        if start is not None and keep and not self._waiting:
            self._start = start
            if segment is not None:
                self._raw.append(segment)
                self._done.append(self._with_definitions(segment))
        elif segment is not None:
            self._waiting.append(segment)
        return _begin(start or _Start())

    def _define(self, line: str) -> None:
        """Remember where "[label]: address" leads, also for what was written before it."""
        label = find_definition(line)
        if not label or label in self._definitions or len(self._definitions) >= _MOST_DEFINITIONS:
            return
        self._definitions[label] = line.strip()
        for place, segment in enumerate(self._raw):
            if isinstance(segment, Prose) and f"[{label}]" in segment.text.casefold():
                self._done[place] = self._with_definitions(segment)

    def _with_definitions(self, segment: Segment) -> Segment:
        if not self._definitions or isinstance(segment, Code):
            return segment
        lines = [self._definitions[label] for label in find_labels(segment.text) if label in self._definitions]
        return replace(segment, text=segment.text + "\n\n" + "\n".join(lines)) if lines else segment


def _begin(start: _Start) -> _Open:
    piece = _Open(start, in_list=start.in_list, content_indent=start.content_indent, indent=start.indent)
    if start.prefix.endswith("\n"):
        piece.is_table = True
        piece.is_after_blank = False
        piece.lines = start.prefix.splitlines()
        piece.begins = [start.at, start.at]
        piece.has_words = True
    return piece


def _make(piece: _Open) -> Segment | None:
    start = piece.start
    if start.fence:
        return Code(start.language, "\n".join(piece.lines), start.indent, start.continues)
    text = "\n".join(piece.lines).strip("\n")
    return Prose(text, piece.indent, start.continues) if text.strip() else None


def _note(piece: _Open, line: str) -> None:
    """What a line with words says about the segment it joins."""
    item = find_item(line)
    if item is not None and (piece.in_list or indent_of(line) <= 3):
        piece.in_list = True
        piece.content_indent = len(line[: item.end()].expandtabs(4))
    elif piece.in_list and piece.is_after_blank and indent_of(line) < 2:
        piece.in_list = False
    if not piece.has_words and piece.in_list:
        piece.indent = indent_of(line) if indent_of(line) >= 2 else 0
    piece.has_words = True
    piece.is_after_blank = False
