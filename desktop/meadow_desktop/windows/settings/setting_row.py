"""One setting: title and sentence, its control, and below what there is to say about the value. GUI thread."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QPushButton, QSizePolicy, QVBoxLayout

from meadow_desktop.language import _
from meadow_desktop.settings.rows import RowView
from meadow_desktop.windows.settings.controls import make_control
from meadow_desktop.windows.settings.folding import Folding
from meadow_desktop.windows.settings.words import make_button, make_words


class SettingRow(QFrame):
    """Made once for a setting, and drawn anew whenever something about it changes."""

    change_asked = Signal(str, object)  # name, Value
    reset_asked = Signal(str)
    restart_asked = Signal()

    def __init__(self, row: RowView) -> None:
        super().__init__()
        self.setObjectName("setting-row")
        self.row = row
        self._title = make_words(row.title, "strong")
        self._sentence = make_words(row.sentence, "muted")
        self._mark = make_words("", "mark")
        self._note = make_words("", "muted")
        self._error = make_words("", "error")
        self._error.setObjectName(f"error-{row.name}")
        self._control = make_control(row)  # before the button below: the keyboard goes in this order
        self._control.chosen.connect(lambda value: self.change_asked.emit(row.name, value))
        self._reset = QPushButton(_("Back to default"))
        self._reset.setObjectName(f"reset-{row.name}")
        self._reset.setAccessibleName(_("{title}: back to default").format(title=row.title))
        self._reset.setProperty("kind", "quiet")
        self._reset.clicked.connect(lambda: self.reset_asked.emit(row.name))
        self._waiting_words = make_words("", "")
        self._restart = make_button(_("Restart the engine now"), f"restart-{row.name}")
        self._restart.clicked.connect(self.restart_asked)
        self._waiting = QFrame()
        self._waiting.setObjectName("warning")
        self._build()
        self.show_row(row)

    def show_row(self, row: RowView) -> None:
        """Draw it."""
        self.row = row
        self._control.show_row(row)
        for label, text in ((self._mark, row.mark), (self._note, row.note), (self._error, row.error)):
            label.setText(text)
            label.setVisible(bool(text))
        self._reset.setVisible(row.can_reset)
        self._waiting_words.setText(row.waiting)
        self._waiting.setVisible(bool(row.waiting))
        self._restart.setEnabled(row.can_restart)
        if self.property("marked") != bool(row.mark):
            self.setProperty("marked", bool(row.mark))
            self.style().polish(self)

    def _build(self) -> None:
        words = QVBoxLayout()
        words.setSpacing(3)
        words.addWidget(self._title)
        words.addWidget(self._sentence)
        below = QHBoxLayout()
        below.setSpacing(8)
        below.addWidget(self._note, 1)
        below.addStretch(0)
        below.addWidget(self._reset, 0, Qt.AlignmentFlag.AlignTop)
        column = QVBoxLayout(self)
        column.setContentsMargins(16, 12, 16, 12)
        column.setSpacing(7)
        if self._control.is_wide:
            column.addLayout(words)
            column.addWidget(self._control)
        else:
            self._control.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Preferred)
            column.addWidget(Folding(words, self._control))
        column.addWidget(self._error)
        column.addWidget(self._mark)
        waiting_words = QVBoxLayout()
        waiting_words.addWidget(self._waiting_words)
        inner = QVBoxLayout(self._waiting)
        inner.setContentsMargins(12, 8, 8, 8)
        inner.addWidget(Folding(waiting_words, self._restart))
        column.addWidget(self._waiting)
        column.addLayout(below)
