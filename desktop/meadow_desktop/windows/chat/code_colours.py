"""Colours of code, given to lines that are shown already, a few milliseconds at a time. GUI thread and one helper.

    code ──► Pygments' tokens, one by one ──► ranges of a line ──► the line's layout (no HTML, no change of the text)

Pygments is imported when the first code is drawn, and on a thread of its own: that takes longer than a frame. Code that
grows is coloured again after a pause that is longer the longer the last pass took.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, QTimer
from PySide6.QtGui import QColor, QTextCharFormat, QTextCursor, QTextLayout
from PySide6.QtWidgets import QTextEdit

from meadow_desktop.windows.theme import Theme

if TYPE_CHECKING:
    from pygments.lexer import Lexer

_SLICE_S = 0.005
_PAUSE_MS = 120
_PAUSE_FACTOR = 4
_LOOK_AGAIN_MS = 15
_SWITCH_S = 0.0003

Range = tuple[int, int, object]  # first UTF-16 unit in the line, how many, kind of token


@dataclass(frozen=True)
class _Wanted:
    language: str
    code: str
    style: str


class CodeColours(QObject):
    """Colours the code that one text widget shows. The widget's lines have to be the code's lines."""

    def __init__(self, text: QTextEdit) -> None:
        super().__init__(text)
        self._text = text
        self._wanted: _Wanted | None = None
        self._under_way: _Wanted | None = None
        self._lines: dict[int, tuple[list[Range], str]] = {}  # what each line was given, and from which style
        self._work: Iterator[tuple[int, list[Range]]] | None = None
        self._spent_s = 0.0
        self._timer = QTimer(self, singleShot=True)
        self._timer.timeout.connect(self._go_on)

    @property
    def is_done(self) -> bool:
        """Every line has its colours."""
        return self._wanted == self._under_way and self._work is None

    def show(self, language: str, code: str, theme: Theme) -> None:
        """Colour this code, beginning now."""
        before, self._wanted = self._under_way, _Wanted(language, code, theme.code_style)
        if self._wanted == before:
            return
        grows = before is not None and code.startswith(before.code)
        if grows and before is not None and (before.language, before.style) == (language, theme.code_style):
            if not self._timer.isActive():
                self._timer.start(max(_PAUSE_MS, round(self._spent_s * 1000 * _PAUSE_FACTOR)))
            return
        self._work = None
        self._go_on()

    def forget(self) -> None:
        """The text was set anew, so its lines have no colours."""
        self._lines.clear()
        self._under_way = self._work = None

    def _go_on(self) -> None:
        self._timer.stop()
        if self._work is None and not self._begin():
            return
        began = time.perf_counter()
        cursor = QTextCursor(self._text.document())
        cursor.beginEditBlock()
        while self._work is not None and time.perf_counter() - began < _SLICE_S:
            line = next(self._work, None)
            if line is None:
                self._work = None
            else:
                self._colour_line(*line)
        cursor.endEditBlock()
        self._spent_s += time.perf_counter() - began
        if self._work is not None:
            self._timer.start(0)
        elif self._wanted != self._under_way:
            self._timer.start(max(_PAUSE_MS, round(self._spent_s * 1000 * _PAUSE_FACTOR)))

    def _begin(self) -> bool:
        wanted = self._wanted
        if wanted is None or wanted == self._under_way:
            return False
        pens = _shelf().find(wanted.language, wanted.style)
        if pens is None:
            self._timer.start(_LOOK_AGAIN_MS)
            return False
        self._under_way, self._spent_s = wanted, 0.0
        self._work = _ranges(pens, wanted.code)
        return True

    def _colour_line(self, number: int, ranges: list[Range]) -> None:
        style = self._under_way.style if self._under_way is not None else ""
        if self._lines.get(number) == (ranges, style) or (not ranges and number not in self._lines):
            return
        block = self._text.document().findBlockByNumber(number)
        if not block.isValid():
            return
        self._lines[number] = (ranges, style)
        looks = _formats(style)
        formats = []
        for start, length, kind in ranges:
            each = QTextLayout.FormatRange()
            each.start, each.length, each.format = start, length, looks[kind]
            formats.append(each)
        block.layout().setFormats(formats)
        self._text.document().markContentsDirty(block.position(), block.length())


@dataclass(frozen=True)
class _Pens:
    lexer: Lexer
    kinds: frozenset[object]  # tokens that the style gives a look


class _Shelf:
    """Lexers and styles that were imported already; others are fetched on a thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._one_by_one = threading.Lock()
        self._ready: dict[tuple[str, str], _Pens] = {}
        self._asked: set[tuple[str, str]] = set()

    def find(self, language: str, style: str) -> _Pens | None:
        """None while it is being imported; ask again soon."""
        key = (language.strip("{}.").lower()[:40] or "text", style)
        with self._lock:
            if key not in self._asked:
                self._asked.add(key)
                threading.Thread(target=self._fetch, args=key, name="code-colours", daemon=True).start()
            return self._ready.get(key)

    def _fetch(self, language: str, style: str) -> None:
        with self._one_by_one:
            before = sys.getswitchinterval()
            # While an import keeps the interpreter busy, Qt's thread asks for it many times for one frame.
            sys.setswitchinterval(_SWITCH_S)
            try:
                self._import(language, style)
            finally:
                sys.setswitchinterval(before)

    def _import(self, language: str, style: str) -> None:
        from pygments.lexers import TextLexer, get_lexer_by_name
        from pygments.util import ClassNotFound

        try:
            lexer: Lexer = get_lexer_by_name(language)
        except ClassNotFound:
            lexer = TextLexer()
        pens = _Pens(lexer, frozenset(_looks(style)))
        with self._lock:
            self._ready[language, style] = pens


@lru_cache(maxsize=1)
def _shelf() -> _Shelf:
    return _Shelf()


def _ranges(pens: _Pens, code: str) -> Iterator[tuple[int, list[Range]]]:
    """What to colour in each line, line by line."""
    number = column = seen = 0
    line: list[Range] = []
    for position, token, value in pens.lexer.get_tokens_unprocessed(code):
        column += _utf16_length(code[seen:position])
        seen = position + len(value)
        kind: Any = token
        while kind not in pens.kinds and kind.parent is not None:
            kind = kind.parent
        for place, part in enumerate(value.split("\n")):
            if place:
                yield number, line
                number, column, line = number + 1, 0, []
            length = _utf16_length(part)
            if kind in pens.kinds and part and not part.isspace():
                line.append((column, length, kind))
            column += length
    yield number, line


@lru_cache(maxsize=4)
def _looks(style: str) -> dict[object, dict[str, Any]]:
    from pygments.styles import get_style_by_name

    return {
        token: dict(look) for token, look in get_style_by_name(style) if look["color"] or look["bold"] or look["italic"]
    }


@lru_cache(maxsize=4)
def _formats(style: str) -> dict[object, QTextCharFormat]:
    formats: dict[object, QTextCharFormat] = {}
    for token, look in _looks(style).items():
        each = QTextCharFormat()
        if look["color"]:
            each.setForeground(QColor("#" + look["color"]))
        if look["bold"]:
            each.setFontWeight(600)
        each.setFontItalic(bool(look["italic"]))
        formats[token] = each
    return formats


def _utf16_length(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-16-le", errors="surrogatepass")) // 2
