"""Read-only text that is as tall as what it says, so that only the transcript scrolls. GUI thread.

It never loads anything: pictures in an answer are written by strangers, and fetching one would tell them who reads.
"""

from __future__ import annotations

import math

from PySide6.QtCore import QSize, QSizeF, Qt, QUrl
from PySide6.QtGui import QDesktopServices, QWheelEvent
from PySide6.QtWidgets import QFrame, QSizePolicy, QTextBrowser, QToolTip, QWidget

_OPENED_SCHEMES = {"http", "https", "mailto"}


class FittedText(QTextBrowser):
    """A text browser without scroll bars of its own (a horizontal one where lines may not wrap)."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setOpenLinks(False)
        self.setUndoRedoEnabled(False)
        self.document().setDocumentMargin(0)
        self.document().documentLayout().documentSizeChanged.connect(self._fit)
        self.anchorClicked.connect(_open_link)
        self.highlighted.connect(self._show_target)

    def loadResource(self, kind: int, name: QUrl | str) -> object:
        """Nothing is ever loaded, neither from the network nor from this computer's disk."""
        return None

    def sizeHint(self) -> QSize:
        """The document's own size."""
        return QSize(super().sizeHint().width(), self._height())

    def minimumSizeHint(self) -> QSize:
        """As narrow as one likes, never shorter than the text."""
        return QSize(40, self._height())

    def wheelEvent(self, event: QWheelEvent) -> None:
        """The wheel turns the transcript, unless it goes sideways over long lines."""
        delta = event.angleDelta()
        if abs(delta.x()) > abs(delta.y()):
            super().wheelEvent(event)
        else:
            event.ignore()

    def _height(self) -> int:
        bar = self.horizontalScrollBar()
        extra = bar.sizeHint().height() if self._needs_bar() else 0
        return math.ceil(self.document().size().height()) + extra

    def _needs_bar(self) -> bool:
        allowed = self.horizontalScrollBarPolicy() != Qt.ScrollBarPolicy.ScrollBarAlwaysOff
        return allowed and self.document().idealWidth() > self.viewport().width()

    def _fit(self, _size: QSizeF | None = None) -> None:
        height = self._height()
        if height != self.height() or height != self.minimumHeight():
            self.setFixedHeight(height)

    def _show_target(self, url: QUrl) -> None:
        # The text of a link may say anything; where it leads is shown before somebody follows it.
        if url.isEmpty():
            QToolTip.hideText()
        else:
            QToolTip.showText(self.cursor().pos(), url.toDisplayString(), self)


def _open_link(url: QUrl) -> None:
    if url.scheme().lower() in _OPENED_SCHEMES:
        QDesktopServices.openUrl(url)
