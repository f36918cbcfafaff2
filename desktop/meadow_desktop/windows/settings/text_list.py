"""A list of texts: each can be taken away, and one can be added below. GUI thread."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLineEdit, QPushButton, QVBoxLayout, QWidget

from meadow_desktop.language import _
from meadow_desktop.windows.elided_label import ElidedLabel


class TextList(QWidget):
    """Tells the whole list as it should be."""

    chosen = Signal(object)  # list[str]

    def __init__(self, name: str, title: str, example: str) -> None:
        super().__init__()
        self._name = name
        self._texts: list[str] = []
        self._can_change = True
        # Never seen: entries that come later get their place for the keyboard behind it, before the field.
        self._before = QWidget(self)
        self._before.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self._before.hide()
        self._rows = QVBoxLayout()
        self._rows.setSpacing(4)
        self._field = QLineEdit()
        self._field.setObjectName(f"add-{name}")
        self._field.setAccessibleName(_("Add to {title}").format(title=title))
        self._field.setPlaceholderText(_("For example {text}").format(text=example) if example else _("Another one"))
        self._add = QPushButton(_("Add"))
        self._add.setObjectName(f"add-button-{name}")
        self._add.setAccessibleName(_("Add to {title}").format(title=title))
        self._add.setEnabled(False)
        self._field.textChanged.connect(lambda text: self._add.setEnabled(bool(text.strip())))
        self._field.returnPressed.connect(self._take_new)
        self._add.clicked.connect(self._take_new)
        adding = QHBoxLayout()
        adding.setSpacing(8)
        adding.addWidget(self._field, 1)
        adding.addWidget(self._add)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        column.addLayout(self._rows)
        column.addLayout(adding)

    def show_texts(self, texts: list[str], *, can_change: bool) -> None:
        """Draw the list; what is being typed stays."""
        self._field.setEnabled(can_change)
        if (texts, can_change) == (self._texts, self._can_change):
            return
        self._texts, self._can_change = texts, can_change
        while (item := self._rows.takeAt(0)) is not None:
            if (widget := item.widget()) is not None:
                widget.hide()
                widget.deleteLater()
        last = self._before
        for place, text in enumerate(texts):
            button = _remove_button(self._name, text, partial(self._remove, place), can_change=can_change)
            self._rows.addWidget(_entry(text, button))
            QWidget.setTabOrder(last, button)
            last = button

    def _take_new(self) -> None:
        text = self._field.text().strip()
        if not text:
            return
        self._field.clear()
        if text not in self._texts:
            self.chosen.emit([*self._texts, text])

    def _remove(self, place: int) -> None:
        self.chosen.emit(self._texts[:place] + self._texts[place + 1 :])


def _remove_button(name: str, text: str, remove: Callable[[], None], *, can_change: bool) -> QPushButton:
    button = QPushButton(_("Remove"))
    button.setObjectName(f"remove-{name}")
    button.setAccessibleName(_("Remove {text}").format(text=text))
    button.setProperty("kind", "quiet")
    button.setEnabled(can_change)
    button.clicked.connect(remove)
    return button


def _entry(text: str, button: QPushButton) -> QFrame:
    frame = QFrame()
    frame.setObjectName("entry")
    words = ElidedLabel()
    words.setText(text)
    row = QHBoxLayout(frame)
    row.setContentsMargins(10, 3, 4, 3)
    row.addWidget(words, 1)
    row.addWidget(button)
    return frame
