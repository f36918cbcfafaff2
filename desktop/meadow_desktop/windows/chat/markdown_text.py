"""Prose of an answer: markdown without HTML, drawn by Qt, with our colours for code and quotations. GUI thread.

Qt lays a whole text out again for every change, 2–4 ms at the size of a long paragraph: so whoever shows an answer
cuts it (`chat/segments.py`), and gives a growing segment at most 20 times a second.
"""

from __future__ import annotations

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import (
    QColor,
    QFontDatabase,
    QPainter,
    QPaintEvent,
    QTextBlock,
    QTextCharFormat,
    QTextCursor,
    QTextDocument,
    QTextFormat,
    QTextFrameFormat,
    QTextTable,
)
from PySide6.QtWidgets import QWidget

from meadow_desktop.chat.text.maths import hide_maths, mark_of
from meadow_desktop.language import _
from meadow_desktop.windows.chat.fitted_text import FittedText
from meadow_desktop.windows.theme import Theme

_FEATURES = QTextDocument.MarkdownFeature.MarkdownDialectGitHub | QTextDocument.MarkdownFeature.MarkdownNoHTML
_LINE_HEIGHT_PERCENT = 130
_PARAGRAPH_GAP = 9
_QUOTE_INDENT = 16


class MarkdownText(FittedText):
    """A stretch of markdown."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("answer-text")
        self._theme: Theme | None = None
        self._markdown = ""

    def show_markdown(self, markdown: str, theme: Theme) -> None:
        """Draw this text; the person's selection survives what is added behind it."""
        if markdown == self._markdown and theme == self._theme:
            return
        self._markdown, self._theme = markdown, theme
        self.setAccessibleName(_("Answer"))
        before = self.textCursor()
        anchor, position = before.anchor(), before.position()
        document = self.document()
        width = document.textWidth()
        hidden, formulas = hide_maths(markdown)
        document.setTextWidth(-1)
        document.setMarkdown(hidden, _FEATURES)
        _Dresser(document, theme).dress(formulas)
        document.setTextWidth(width)
        if anchor != position:
            self.select(anchor, position)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Qt draws the text; quotations also get a bar along their side."""
        super().paintEvent(event)
        if self._theme is None or ">" not in self._markdown:
            return
        colour = QColor(self._theme.border)
        painter = QPainter(self.viewport())
        layout = self.document().documentLayout()
        block = self.document().begin()
        while block.isValid():
            if block.blockFormat().property(QTextFormat.Property.BlockQuoteLevel):
                place = layout.blockBoundingRect(block)
                side = self.viewport().width() - 3 if block.textDirection() == Qt.LayoutDirection.RightToLeft else 0
                painter.fillRect(QRectF(side, place.top(), 3, place.height()), colour)
            block = block.next()
        painter.end()


def read_markdown(document: QTextDocument, markdown: str) -> None:
    """Fill a document that nobody looks at: letter for letter what `MarkdownText` shows, without its colours."""
    hidden, formulas = hide_maths(markdown)
    document.setMarkdown(hidden, _FEATURES)
    _put_back(document, formulas)
    _replace_pictures(document)


class _Dresser:
    """Gives a document that was read from markdown our margins and colours."""

    def __init__(self, document: QTextDocument, theme: Theme) -> None:
        self._document = document
        self._theme = theme
        self._shade = QTextCharFormat()
        self._shade.setBackground(QColor(theme.code_header))
        self._shade.setFontFamilies([QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont).family()])

    def dress(self, formulas: list[str]) -> None:
        """Everything at once, so that Qt lays the text out once."""
        document = self._document
        cursor = QTextCursor(document)
        cursor.beginEditBlock()
        _put_back(document, formulas)
        _replace_pictures(document)
        block = document.begin()
        while block.isValid():
            self._dress_block(cursor, block)
            block = block.next()
        for frame in document.rootFrame().childFrames():
            if isinstance(frame, QTextTable):
                self._dress_table(frame)
        cursor.endEditBlock()

    def _dress_block(self, cursor: QTextCursor, block: QTextBlock) -> None:
        cursor.setPosition(block.position())
        layout = block.blockFormat()
        layout.setLineHeight(_LINE_HEIGHT_PERCENT, 1)  # 1: proportional
        is_code = layout.hasProperty(QTextFormat.Property.BlockCodeFence)
        in_table = cursor.currentTable() is not None
        if is_code:
            layout.setBackground(QColor(self._theme.code))
        elif not in_table and block.next().isValid():
            goes_on = block.textList() is not None and block.next().textList() is not None
            layout.setBottomMargin(3 if goes_on else _PARAGRAPH_GAP)
            layout.setTopMargin(0 if layout.headingLevel() == 0 or block.blockNumber() == 0 else 8)
        else:
            layout.setBottomMargin(0)
            layout.setTopMargin(0)
        level = layout.property(QTextFormat.Property.BlockQuoteLevel)
        if level:
            is_reversed = block.textDirection() == Qt.LayoutDirection.RightToLeft
            layout.setLeftMargin(0 if is_reversed else _QUOTE_INDENT)
            layout.setRightMargin(_QUOTE_INDENT if is_reversed else 0)
        cursor.setBlockFormat(layout)
        if level:
            cursor.movePosition(QTextCursor.MoveOperation.EndOfBlock, QTextCursor.MoveMode.KeepAnchor)
            faint = QTextCharFormat()
            faint.setForeground(QColor(self._theme.muted))
            cursor.mergeCharFormat(faint)
        for start, length in _code_spans(block):
            cursor.setPosition(start)
            cursor.setPosition(start + length, QTextCursor.MoveMode.KeepAnchor)
            cursor.mergeCharFormat(self._shade)

    def _dress_table(self, table: QTextTable) -> None:
        layout = table.format()
        layout.setCellPadding(6)
        layout.setCellSpacing(0)
        layout.setBorder(1)
        layout.setBorderStyle(QTextFrameFormat.BorderStyle.BorderStyle_Solid)
        layout.setBorderCollapse(True)
        layout.setBorderBrush(QColor(self._theme.border))
        layout.setTopMargin(2)
        layout.setBottomMargin(2)
        table.setFormat(layout)


def _put_back(document: QTextDocument, formulas: list[str]) -> None:
    """Formulas as they were written, in the place and the look of their marks."""
    for place, formula in enumerate(formulas):
        cursor = document.find(mark_of(place))
        if not cursor.isNull():
            cursor.insertText(formula.replace("\n", "\u2028"))


def _code_spans(block: QTextBlock) -> list[tuple[int, int]]:
    spans = []
    iterator = block.begin()
    while not iterator.atEnd():
        fragment = iterator.fragment()
        if fragment.isValid() and fragment.charFormat().fontFixedPitch():
            spans.append((fragment.position(), fragment.length()))
        iterator += 1
    return spans


def _replace_pictures(document: QTextDocument) -> None:
    """Put a picture's description where the picture would be."""
    pictures: list[tuple[int, int, str]] = []
    block = document.begin()
    while block.isValid():
        iterator = block.begin()
        while not iterator.atEnd():
            fragment = iterator.fragment()
            if fragment.isValid() and fragment.charFormat().isImageFormat():
                words = fragment.charFormat().property(QTextFormat.Property.ImageAltText)
                pictures.append((fragment.position(), fragment.length(), str(words or "").strip()))
            iterator += 1
        block = block.next()
    cursor = QTextCursor(document)
    for start, length, words in reversed(pictures):
        cursor.setPosition(start)
        cursor.setPosition(start + length, QTextCursor.MoveMode.KeepAnchor)
        shown = _("[picture not shown: {words}]").format(words=words) if words else _("[picture not shown]")
        cursor.insertText(shown, QTextCharFormat())
