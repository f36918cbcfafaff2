"""Prose of an answer: markdown without HTML, drawn by Qt, with our colours for code and quotations. GUI thread.

One update costs 2–4 ms at the size of a long paragraph; whoever streams calls it at most 20 times a second.
"""

from __future__ import annotations

from PySide6.QtCore import QRectF
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

from meadow_desktop.windows.chat.fitted_text import FittedText
from meadow_desktop.windows.theme import Theme

_FEATURES = QTextDocument.MarkdownFeature.MarkdownDialectGitHub | QTextDocument.MarkdownFeature.MarkdownNoHTML
_LINE_HEIGHT_PERCENT = 130
_PARAGRAPH_GAP = 9
_QUOTE_INDENT = 16


class MarkdownText(FittedText):
    """A stretch of markdown."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._markdown = ""

    def show_markdown(self, markdown: str, theme: Theme) -> None:
        """Draw this text; the person's selection survives what is added behind it."""
        if markdown == self._markdown and theme == self._theme:
            return
        self._markdown, self._theme = markdown, theme
        before = self.textCursor()
        anchor, position = before.anchor(), before.position()
        document = self.document()
        document.setMarkdown(markdown, _FEATURES)
        self._dress(document)
        if anchor != position:
            last = document.characterCount() - 1
            after = QTextCursor(document)
            after.setPosition(min(anchor, last))
            after.setPosition(min(position, last), QTextCursor.MoveMode.KeepAnchor)
            self.setTextCursor(after)
        self._fit()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Qt draws the text; quotations also get a bar along their side."""
        super().paintEvent(event)
        painter = QPainter(self.viewport())
        layout = self.document().documentLayout()
        block = self.document().begin()
        while block.isValid():
            if block.blockFormat().property(QTextFormat.Property.BlockQuoteLevel):
                place = layout.blockBoundingRect(block)
                painter.fillRect(QRectF(0, place.top(), 3, place.height()), QColor(self._theme.border))
            block = block.next()
        painter.end()

    def _dress(self, document: QTextDocument) -> None:
        cursor = QTextCursor(document)
        cursor.beginEditBlock()
        block = document.begin()
        while block.isValid():
            self._dress_block(cursor, block)
            block = block.next()
        _replace_pictures(document)
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
        if layout.property(QTextFormat.Property.BlockQuoteLevel):
            layout.setLeftMargin(_QUOTE_INDENT)
        cursor.setBlockFormat(layout)
        if layout.property(QTextFormat.Property.BlockQuoteLevel):
            cursor.movePosition(QTextCursor.MoveOperation.EndOfBlock, QTextCursor.MoveMode.KeepAnchor)
            faint = QTextCharFormat()
            faint.setForeground(QColor(self._theme.muted))
            cursor.mergeCharFormat(faint)
        self._dress_inline_code(cursor, block)

    def _dress_inline_code(self, cursor: QTextCursor, block: QTextBlock) -> None:
        shade = QTextCharFormat()
        shade.setBackground(QColor(self._theme.code_header))
        shade.setFontFamilies([QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont).family()])
        for start, length in _code_spans(block):
            cursor.setPosition(start)
            cursor.setPosition(start + length, QTextCursor.MoveMode.KeepAnchor)
            cursor.mergeCharFormat(shade)

    def _dress_table(self, table: QTextTable) -> None:
        layout = table.format()
        layout.setCellPadding(6)
        layout.setCellSpacing(0)
        layout.setBorder(1)
        layout.setBorderStyle(QTextFrameFormat.BorderStyle.BorderStyle_Solid)
        layout.setBorderCollapse(True)
        layout.setBorderBrush(QColor(self._theme.border))
        layout.setTopMargin(2)
        layout.setBottomMargin(_PARAGRAPH_GAP)
        table.setFormat(layout)


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
        cursor.insertText(f"[picture not shown: {words}]" if words else "[picture not shown]", QTextCharFormat())
