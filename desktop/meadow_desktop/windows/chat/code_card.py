"""A fenced piece of code: a header with its language and a copy button, and the code in colours. GUI thread.

Pygments knows the colours; they are set on the document by hand, so that no HTML is ever parsed.
"""

from __future__ import annotations

from functools import lru_cache

from pygments.lexer import Lexer
from pygments.lexers import TextLexer, get_lexer_by_name
from pygments.styles import get_style_by_name
from pygments.util import ClassNotFound
from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QColor, QFontDatabase, QGuiApplication, QTextCharFormat, QTextCursor
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QTextEdit, QVBoxLayout, QWidget

from meadow_desktop.windows.chat.fitted_text import FittedText
from meadow_desktop.windows.theme import Theme

# Colouring is for reading; nobody reads a block this long, and it would hold the window up.
_LONGEST_COLOURED = 40_000
_COPIED_MS = 1500


class CodeCard(QFrame):
    """One piece of code."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("code-card")
        self._code = ""
        self._shown: tuple[str, str, Theme] | None = None
        self._language = QLabel()
        self._language.setProperty("kind", "muted")
        self._copy = QPushButton("Copy code")
        self._copy.setProperty("kind", "quiet")
        self._copy.setCursor(Qt.CursorShape.PointingHandCursor)
        self._copy.clicked.connect(self._copy_code)
        header = QFrame()
        header.setObjectName("code-header")
        row = QHBoxLayout(header)
        row.setContentsMargins(12, 3, 6, 3)
        row.addWidget(self._language)
        row.addStretch(1)
        row.addWidget(self._copy)
        self._text = FittedText()
        self._text.setLineWrapMode(QTextEdit.LineWrapMode.NoWrap)
        self._text.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAsNeeded)
        font = QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont)
        font.setPointSizeF(max(9.0, self.font().pointSizeF()))
        self._text.setFont(font)
        body = QVBoxLayout()
        body.setContentsMargins(12, 9, 12, 9)
        body.addWidget(self._text)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(header)
        column.addLayout(body)

    def show_code(self, language: str, code: str, theme: Theme) -> None:
        """Draw this code; the person's selection survives what is added behind it."""
        if self._shown == (language, code, theme):
            return
        self._shown, self._code = (language, code, theme), code
        self._language.setText(language or "code")
        before = self._text.textCursor()
        anchor, position = before.anchor(), before.position()
        self._text.setPlainText(code)
        if len(code) <= _LONGEST_COLOURED:
            colour_code(self._text, language, code, theme)
        if anchor != position:
            last = self._text.document().characterCount() - 1
            after = self._text.textCursor()
            after.setPosition(min(anchor, last))
            after.setPosition(min(position, last), QTextCursor.MoveMode.KeepAnchor)
            self._text.setTextCursor(after)

    def _copy_code(self) -> None:
        QGuiApplication.clipboard().setText(self._code)
        self._copy.setText("Copied")
        QTimer.singleShot(_COPIED_MS, self._copy, lambda: self._copy.setText("Copy code"))


def colour_code(widget: QTextEdit, language: str, code: str, theme: Theme) -> None:
    """Set the colours of Pygments' tokens on the text that the widget shows already."""
    formats = _formats(theme.code_style)
    cursor = QTextCursor(widget.document())
    cursor.beginEditBlock()
    seen = units = 0  # Qt counts in UTF-16 units, Python in characters: they differ after an emoji
    for position, token, value in _lexer(language).get_tokens_unprocessed(code):
        units += _utf16_length(code[seen:position])
        seen = position
        while token not in formats and token.parent is not None:
            token = token.parent
        look = formats.get(token)
        if look is not None and not value.isspace():
            cursor.setPosition(units)
            cursor.setPosition(units + _utf16_length(value), QTextCursor.MoveMode.KeepAnchor)
            cursor.setCharFormat(look)
    cursor.endEditBlock()


@lru_cache(maxsize=64)
def _lexer(language: str) -> Lexer:
    try:
        lexer: Lexer = get_lexer_by_name(language.strip("{}.").lower() or "text")
    except ClassNotFound:
        lexer = TextLexer()
    return lexer


@lru_cache(maxsize=4)
def _formats(style: str) -> dict[object, QTextCharFormat]:
    formats: dict[object, QTextCharFormat] = {}
    for token, look in get_style_by_name(style):
        if look["color"] or look["bold"] or look["italic"]:
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
