"""A sentence that passes: what was deleted, with an Undo, or what was exported. GUI thread."""

from __future__ import annotations

from PySide6.QtCore import QTimer, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QPushButton, QWidget

from meadow_desktop.language import _
from meadow_desktop.windows.announcing import announce
from meadow_desktop.windows.elided_label import ElidedLabel

_READ_MS = 6000


class PassingNote(QFrame):
    """Hidden while there is nothing to say."""

    undo_asked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("passing-note")
        self._has_undo = False
        self._words = ElidedLabel()
        self._undo = QPushButton(_("Undo"))
        self._undo.setObjectName("undo-delete")
        self._undo.clicked.connect(self.undo_asked)
        self._timer = QTimer(self, singleShot=True, interval=_READ_MS)
        self._timer.timeout.connect(self._end)
        row = QHBoxLayout(self)
        row.setContentsMargins(14, 6, 6, 6)
        row.setSpacing(10)
        row.addWidget(self._words, 1)
        row.addWidget(self._undo)
        self.hide()

    def show_deleted(self, sentence: str) -> None:
        """Say what can be brought back; an empty sentence: it cannot any more."""
        if sentence:
            self._show(sentence, has_undo=True)
        elif self._has_undo:
            self._end()

    def show_sentence(self, sentence: str) -> None:
        """Say this for some seconds; not in the place of an Undo."""
        if not (self._has_undo and self.isVisible()):
            self._show(sentence, has_undo=False)
            self._timer.start()

    def _show(self, sentence: str, *, has_undo: bool) -> None:
        self._timer.stop()
        self._has_undo = has_undo
        self._words.setText(sentence)
        self._words.setAccessibleName(sentence)
        self._undo.setVisible(has_undo)
        self._undo.setAccessibleDescription(sentence)
        self.show()
        announce(self._words, sentence)

    def _end(self) -> None:
        self._has_undo = False
        self.hide()
