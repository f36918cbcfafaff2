"""Read-only text that is as tall as what it says, so that only the transcript scrolls. GUI thread.

It never loads anything: pictures in an answer are written by strangers, and fetching one would tell them who reads.
"""

from __future__ import annotations

import math

from PySide6.QtCore import QSize, Qt, QUrl
from PySide6.QtGui import QDesktopServices, QKeyEvent, QTextCursor, QWheelEvent
from PySide6.QtWidgets import QFrame, QTextBrowser, QTextEdit, QToolTip, QWidget

_SCROLLING = {Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_PageUp, Qt.Key.Key_PageDown}
_OPENED_SCHEMES = {"http", "https", "mailto"}


class FittedText(QTextBrowser):
    """A text browser without a vertical scroll bar; a horizontal one comes when something cannot be wrapped.

    Whoever places it asks `fit` for its height first.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
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
        """Keys that scroll are the transcript's, too."""
        if event.key() in _SCROLLING and event.modifiers() == Qt.KeyboardModifier.NoModifier:
            event.ignore()
        else:
            super().keyPressEvent(event)

    def select(self, anchor: int, position: int) -> None:
        """Select as far as there is text; `anchor` equal to `position` selects nothing."""
        last = self.document().characterCount() - 1
        cursor = QTextCursor(self.document())
        cursor.setPosition(min(anchor, last))
        cursor.setPosition(min(position, last), QTextCursor.MoveMode.KeepAnchor)
        self.setTextCursor(cursor)

    def _show_target(self, url: QUrl) -> None:
        # The text of a link may say anything; where it leads is shown before somebody follows it.
        if url.isEmpty():
            QToolTip.hideText()
        else:
            QToolTip.showText(self.cursor().pos(), url.toDisplayString(), self)


def _open_link(url: QUrl) -> None:
    if url.scheme().lower() in _OPENED_SCHEMES:
        QDesktopServices.openUrl(url)
