"""The four screens of the first start. Each draws what it is told and says what was chosen. GUI thread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QButtonGroup, QGridLayout, QLabel, QLineEdit, QRadioButton, QVBoxLayout, QWidget

from meadow_desktop.language import _
from meadow_desktop.swarm.joining import LONGEST_INVITATION, LONGEST_NAME
from meadow_desktop.tray.icon import draw_pixmap
from meadow_desktop.welcome.choices import Choices, SwarmChoice
from meadow_desktop.welcome.view import explain_meadow, fault_of_choice
from meadow_desktop.windows.column_page import muted_label
from meadow_desktop.windows.direction import margins
from meadow_desktop.windows.status_strip import Switch


class WhatScreen(QWidget):
    """What this is, and what others can see."""

    def __init__(self) -> None:
        super().__init__()
        picture = QLabel()
        picture.setPixmap(draw_pixmap("sharing", 56, 2.0))
        column = _column(self)
        column.addWidget(picture)
        column.addSpacing(6)
        column.setSpacing(14)
        for words in explain_meadow():
            column.addWidget(_words(words))
        column.addStretch(1)


class ShareScreen(QWidget):
    """To share, or only to chat."""

    chosen = Signal(bool)

    def __init__(self) -> None:
        super().__init__()
        self._share = _radio(_("Share this computer while I am away"), "choose-share")
        self._chat = _radio(_("Only chat; share nothing"), "choose-chat")
        group = QButtonGroup(self)
        group.addButton(self._share)
        group.addButton(self._chat)
        self._found = muted_label()
        self._when = _Points("muted")
        column = _column(self)
        column.addWidget(self._share)
        column.addWidget(_indented(self._found))
        column.addWidget(_indented(self._when))
        column.addSpacing(8)
        column.addWidget(self._chat)
        column.addWidget(
            _indented(muted_label(_("You can share later: it is one switch at the bottom of the window.")))
        )
        column.addStretch(1)
        self._share.clicked.connect(lambda: self.chosen.emit(True))
        self._chat.clicked.connect(lambda: self.chosen.emit(False))

    def show_computer(self, found: str, when: Sequence[str]) -> None:
        """What was found on this computer, and when it would be shared."""
        self._found.setText(found)
        self._when.show_lines(when)


class WhereScreen(QWidget):
    """Which swarm, and which model."""

    changed = Signal(object)  # Choices

    def __init__(self) -> None:
        super().__init__()
        self._choices = Choices()
        self._default = _radio(_("The swarm that Meadow is set up for"), "choose-default-swarm")
        self._join = _radio(_("I have an invitation"), "choose-join")
        self._new = _radio(_("Begin a private swarm, for people I invite"), "choose-new")
        self._default.setChecked(True)
        self._default_words = muted_label()
        self._invitation = _line("invitation", _("Invitation link"), _("Paste the link here: meadow://…"))
        self._name = _line("swarm-name", _("Name of the swarm"), _("A name for it, such as “Lab 3”"))
        self._model = _line("model", _("Model"), _("Empty: Meadow chooses. Else a name on huggingface.co, or a folder"))
        self._name.setMaxLength(LONGEST_NAME)
        self._invitation.setMaxLength(LONGEST_INVITATION)
        self._faults: dict[SwarmChoice, QLabel] = {"join": _error_label(), "new": _error_label()}
        group = QButtonGroup(self)
        column = _column(self)
        parts: tuple[tuple[QRadioButton, SwarmChoice, QWidget], ...] = (
            (self._default, "default", self._default_words),
            (self._join, "join", self._invitation),
            (self._new, "new", self._name),
        )
        for button, choice, below in parts:
            group.addButton(button)
            column.addWidget(button)
            column.addWidget(_indented(below))
            if choice in self._faults:
                column.addWidget(self._faults[choice])
            button.clicked.connect(lambda _checked=False, choice=choice: self._choose(choice))
        column.addSpacing(10)
        label = QLabel(_("Model"))
        label.setProperty("kind", "strong")
        label.setBuddy(self._model)
        column.addWidget(label)
        column.addWidget(self._model)
        column.addStretch(1)
        for line in (self._invitation, self._name, self._model):
            line.textEdited.connect(self._read)
        self._show()

    def show_default(self, words: str) -> None:
        """What the swarm that is set up is."""
        self._default_words.setText(words)

    def _choose(self, choice: SwarmChoice) -> None:
        self._choices = replace(self._choices, swarm=choice)
        self._show()
        if choice == "join":
            self._invitation.setFocus()
        elif choice == "new":
            self._name.setFocus()
        self.changed.emit(self._choices)

    def _read(self) -> None:
        self._choices = replace(
            self._choices,
            invitation=self._invitation.text(),
            swarm_name=self._name.text(),
            model=self._model.text().strip(),
        )
        self._show()
        self.changed.emit(self._choices)

    def _show(self) -> None:
        self._invitation.setEnabled(self._choices.swarm == "join")
        self._name.setEnabled(self._choices.swarm == "new")
        fault = fault_of_choice(self._choices)
        for choice, label in self._faults.items():
            label.setText(fault if choice == self._choices.swarm else "")
            label.setVisible(bool(label.text()))


class SummaryScreen(QWidget):
    """What the last click does."""

    login_chosen = Signal(bool)

    def __init__(self) -> None:
        super().__init__()
        self._lines = _Points("")
        self._login = Switch(_("Start Meadow when I log in"))
        self._login.setObjectName("start-at-login")
        self._login_words = muted_label()
        column = _column(self)
        column.addWidget(self._lines)
        column.addSpacing(10)
        column.addWidget(self._login)
        column.addWidget(self._login_words)
        column.addStretch(1)
        self._login.toggled.connect(self.login_chosen)

    def show_summary(self, lines: Sequence[str], login_words: str, *, can_start_at_login: bool) -> None:
        """The lines, and whether starting at login is possible here."""
        self._lines.show_lines(lines)
        self._login.setEnabled(can_start_at_login)
        self._login_words.setText(login_words)
        self._login_words.setVisible(bool(login_words))


class _Points(QWidget):
    """Lines with a point before each; words that wrap stay beside their point."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self._kind = kind
        self._shown: tuple[str, ...] = ()
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(8)
        self._grid.setVerticalSpacing(6)
        self._grid.setColumnStretch(1, 1)

    def show_lines(self, lines: Sequence[str]) -> None:
        """Draw these, if they are others."""
        if tuple(lines) == self._shown:
            return
        self._shown = tuple(lines)
        while (item := self._grid.takeAt(0)) is not None:
            if (widget := item.widget()) is not None:
                widget.hide()
                widget.deleteLater()
        for row, line in enumerate(lines):
            point, words = QLabel("•"), _words(line)
            for label in (point, words):
                label.setProperty("kind", self._kind)
            self._grid.addWidget(point, row, 0, Qt.AlignmentFlag.AlignTop)
            self._grid.addWidget(words, row, 1)


def _column(widget: QWidget) -> QVBoxLayout:
    column = QVBoxLayout(widget)
    column.setContentsMargins(0, 0, 0, 0)
    column.setSpacing(8)
    return column


def _words(text: str) -> QLabel:
    label = QLabel(text)
    label.setWordWrap(True)
    label.setTextFormat(Qt.TextFormat.PlainText)
    return label


def _error_label() -> QLabel:
    label = muted_label()
    label.setProperty("kind", "error")
    label.setContentsMargins(margins(24, 0, 0, 0))
    return label


def _radio(text: str, name: str) -> QRadioButton:
    button = QRadioButton(text)
    button.setObjectName(name)
    return button


def _line(name: str, title: str, hint: str) -> QLineEdit:
    line = QLineEdit()
    line.setObjectName(name)
    line.setAccessibleName(title)
    line.setPlaceholderText(hint)
    return line


def _indented(widget: QWidget) -> QWidget:
    outer = QWidget()
    column = QVBoxLayout(outer)
    column.setContentsMargins(margins(24, 0, 0, 0))
    column.addWidget(widget)
    return outer
