"""Read-only text that is as tall as what it says, so that only the transcript scrolls. GUI thread.

It never loads anything: pictures in an answer are written by strangers, and fetching one would tell them who reads.

A selection may reach over many of these texts, so each only tells what the pointer and the keys do (`selecting.py`):

    pressed_anew ──► Qt's own press: a letter, a word, a paragraph ──► caught ──► dragged, dragged, … ──► let_go
"""

from __future__ import annotations

import math

from PySide6.QtCore import QPoint, QSize, Qt, QUrl, Signal
from PySide6.QtGui import (
    QContextMenuEvent,
    QDesktopServices,
    QHideEvent,
    QKeyEvent,
    QKeySequence,
    QMouseEvent,
    QTextCursor,
    QWheelEvent,
)
from PySide6.QtWidgets import QFrame, QTextBrowser, QTextEdit, QToolTip, QWidget

_SCROLLING = {Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_PageUp, Qt.Key.Key_PageDown}
_OPENED_SCHEMES = {"http", "https", "mailto"}


class FittedText(QTextBrowser):
    """A text browser without a vertical scroll bar; a horizontal one comes when something cannot be wrapped.

    Whoever places it asks `fit` for its height first.
    """

    pressed_anew = Signal()  # what was selected before is so no longer
    extended = Signal(QPoint)  # on the screen, as in the next three: the selection shall reach this place
    dragged = Signal(QPoint)
    caught = Signal(QPoint, str)  # … from what is selected in here, by "letters", "words" or "paragraphs"
    let_go = Signal()
    menu_asked = Signal(QPoint)
    copy_asked = Signal()
    all_asked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._is_held = False  # by the pointer
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAsNeeded)
        self.setOpenLinks(False)
        self.setUndoRedoEnabled(False)
        self.document().setDocumentMargin(0)
        self.document().setIndentWidth(26)
        self.anchorClicked.connect(_open_link)
        self.highlighted.connect(self._show_target)

    def fit(self, width: int) -> int:
        """The height that the text needs at this width, in pixels."""
        document = self.document()
        wraps = self.lineWrapMode() != QTextEdit.LineWrapMode.NoWrap
        if wraps and document.textWidth() != width:
            document.setTextWidth(width)
        size = document.size()
        widest = size.width() if wraps else document.idealWidth()
        extra = self.horizontalScrollBar().sizeHint().height() if math.floor(widest) > width else 0
        return math.ceil(size.height()) + extra

    def minimumSizeHint(self) -> QSize:
        """As small as one likes: `fit` says what it needs."""
        return QSize(40, 1)

    def loadResource(self, kind: int, name: QUrl | str) -> object:
        """Nothing is ever loaded, neither from the network nor from this computer's disk."""
        return None

    def wheelEvent(self, event: QWheelEvent) -> None:
        """The wheel turns the transcript, unless it goes sideways over long lines."""
        delta = event.angleDelta()
        if abs(delta.x()) > abs(delta.y()):
            super().wheelEvent(event)
        else:
            event.ignore()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Keys that scroll are the transcript's, and so is what is selected."""
        if event.key() in _SCROLLING and event.modifiers() == Qt.KeyboardModifier.NoModifier:
            event.ignore()
        elif event.matches(QKeySequence.StandardKey.Copy):
            self.copy_asked.emit()
        elif event.matches(QKeySequence.StandardKey.SelectAll):
            self.all_asked.emit()
        else:
            super().keyPressEvent(event)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """A selection begins, or the one there is reaches as far as here."""
        is_left = event.button() == Qt.MouseButton.LeftButton
        self._is_held = self._is_held or is_left
        if is_left and event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            self.extended.emit(event.globalPosition().toPoint())
            return
        if is_left:
            self.pressed_anew.emit()
        super().mousePressEvent(event)
        if is_left:
            unit = "paragraphs" if self.textCursor().hasSelection() else "letters"
            self.caught.emit(event.globalPosition().toPoint(), unit)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """A word is selected."""
        super().mouseDoubleClickEvent(event)
        if event.button() == Qt.MouseButton.LeftButton:
            self._is_held = True
            self.caught.emit(event.globalPosition().toPoint(), "words")

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Over a link the pointer is a hand; a stroke may go beyond this text."""
        if event.buttons() & Qt.MouseButton.LeftButton:
            self.dragged.emit(event.globalPosition().toPoint())
        else:
            super().mouseMoveEvent(event)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """A link is followed where nothing was selected."""
        super().mouseReleaseEvent(event)
        if event.button() == Qt.MouseButton.LeftButton:
            self._is_held = False
            self.let_go.emit()

    def hideEvent(self, event: QHideEvent) -> None:
        """What is gone hears of no release."""
        super().hideEvent(event)
        if self._is_held:
            self._is_held = False
            self.let_go.emit()

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """For all that is selected."""
        self.menu_asked.emit(event.globalPos())

    def position_at(self, place: QPoint) -> int:
        """The position that is nearest to a place on the screen; what lies below the text is behind its end."""
        here = self.viewport().mapFromGlobal(place)
        if here.y() < 0:
            return 0
        if here.y() >= self.viewport().height():
            return self.document().characterCount() - 1
        return self.cursorForPosition(here).position()

    def around(self, position: int, unit: str) -> tuple[int, int]:
        """Where the letter's place, the word or the paragraph at this position begins and ends."""
        cursor = QTextCursor(self.document())
        cursor.setPosition(min(position, self.document().characterCount() - 1))
        if unit == "words":
            cursor.select(QTextCursor.SelectionType.WordUnderCursor)
        elif unit == "paragraphs":
            cursor.movePosition(QTextCursor.MoveOperation.StartOfBlock)
            cursor.movePosition(QTextCursor.MoveOperation.EndOfBlock, QTextCursor.MoveMode.KeepAnchor)
        return cursor.selectionStart(), cursor.selectionEnd()

    def select(self, anchor: int, position: int) -> None:
        """Select as far as there is text; `anchor` equal to `position` selects nothing. Nothing scrolls."""
        last = self.document().characterCount() - 1
        if anchor == 0 < position and self.document().begin().length() == 1:
            anchor = 1  # Qt puts an empty line before a table, which would be marked above it
        bar = self.horizontalScrollBar()
        before = bar.value()
        cursor = QTextCursor(self.document())
        cursor.setPosition(min(anchor, last))
        cursor.setPosition(min(position, last), QTextCursor.MoveMode.KeepAnchor)
        self.setTextCursor(cursor)
        bar.setValue(before)

    def _show_target(self, url: QUrl) -> None:
        # The text of a link may say anything; where it leads is shown before somebody follows it.
        if url.isEmpty():
            QToolTip.hideText()
        else:
            QToolTip.showText(self.cursor().pos(), url.toDisplayString(), self)


def _open_link(url: QUrl) -> None:
    if url.scheme().lower() in _OPENED_SCHEMES:
        QDesktopServices.openUrl(url)
