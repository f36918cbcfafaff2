"""Which swarms this computer keeps: the one in use with its invitation, and the others. GUI thread."""

from __future__ import annotations

from functools import partial

from PySide6.QtCore import QTimer, Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from meadow_desktop.language import _
from meadow_desktop.swarm.membership_desk import MembershipDesk
from meadow_desktop.swarm.membership_view import KeptSwarmView, MembershipView, explain_leaving
from meadow_desktop.windows.column_page import muted_label
from meadow_desktop.windows.confirmation import confirm
from meadow_desktop.windows.elided_label import ElidedLabel
from meadow_desktop.windows.swarm.membership_dialog import JoinSwarmDialog, NewSwarmDialog
from meadow_engine.api.errors import Problem

_COPIED_MS = 1500


class MembershipCard(QFrame):
    """Draws the desk's view; hidden while nothing is known. `problem_found`: what no dialog says."""

    problem_found = Signal(object)  # Problem

    def __init__(self, desk: MembershipDesk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("card")
        self._desk = desk
        self._view: MembershipView | None = None
        self._dialog: NewSwarmDialog | JoinSwarmDialog | None = None
        heading = QLabel(_("Your swarms"))
        heading.setProperty("kind", "card-title")
        self._new = _button(_("New…"), "new-swarm")
        self._join = _button(_("Join…"), "join-swarm")
        self._restart_words = muted_label()
        self._restart_words.setProperty("kind", "")
        self._restart_button = _button(_("Restart the engine now"), "restart-engine")
        self._restart = QFrame()
        self._restart.setObjectName("warning")
        restart = QHBoxLayout(self._restart)
        restart.setContentsMargins(12, 8, 8, 8)
        restart.setSpacing(12)
        restart.addWidget(self._restart_words, 1)
        restart.addWidget(self._restart_button)
        self._copy = _button(_("Copy invitation"), "copy-invitation")
        self._used = _SwarmLine()
        self._used.leave.clicked.connect(lambda: self._confirm_leaving(self._used.view))
        self._used.title.setProperty("kind", "strong")
        self._used.add(self._copy)
        self._rows: list[_SwarmLine] = []
        self._others = QVBoxLayout()
        self._others.setSpacing(8)
        top = QHBoxLayout()
        top.addWidget(heading, 1)
        top.addWidget(self._new)
        top.addWidget(self._join)
        column = QVBoxLayout(self)
        column.setContentsMargins(18, 14, 14, 14)
        column.setSpacing(10)
        column.addLayout(top)
        column.addWidget(self._restart)
        column.addWidget(self._used)
        column.addLayout(self._others)
        self._new.clicked.connect(lambda: self._open(NewSwarmDialog(desk, self.window())))
        self._join.clicked.connect(lambda: self._open(JoinSwarmDialog(desk, self.window())))
        self._copy.clicked.connect(self._copy_invitation)
        self._restart_button.clicked.connect(desk.restart)
        desk.changed.connect(self._draw)
        desk.refused.connect(self._take_refusal)
        self._draw()

    def _draw(self) -> None:
        view = self._desk.view
        self.setVisible(view is not None)
        if view is None:
            return
        is_free = not self._desk.is_busy
        self._new.setEnabled(is_free)
        self._join.setEnabled(is_free)
        self._restart.setVisible(bool(view.restart))
        self._restart_words.setText(view.restart)
        self._restart_button.setEnabled(self._desk.can_restart)
        self._used.show_view(view.used, view.used.invitation_words, is_free=is_free)
        self._copy.setVisible(bool(view.used.invitation))
        if self._view is None or self._view.others != view.others:
            self._make_rows(view.others)
        for row in self._rows:
            row.set_free(is_free)
        self._view = view

    def _make_rows(self, others: tuple[KeptSwarmView, ...]) -> None:
        while len(self._rows) > len(others):
            row = self._rows.pop()
            self._others.removeWidget(row)
            row.hide()
            row.deleteLater()
        while len(self._rows) < len(others):
            row = _SwarmLine()
            use = _button(_("Use"), f"use-swarm-{len(self._rows)}")
            row.use = use
            row.add(use)
            use.clicked.connect(partial(self._use, row))
            row.leave.clicked.connect(partial(self._leave_row, row))
            self._others.addWidget(row)
            # Made later than the rest of the page, but not the last of it.
            QWidget.setTabOrder(self._rows[-1].leave if self._rows else self._used.leave, use)
            QWidget.setTabOrder(use, row.leave)
            self._rows.append(row)
        for row, view in zip(self._rows, others, strict=True):
            row.show_view(view, "", is_free=True)

    def _use(self, row: _SwarmLine) -> None:
        if row.view is not None:
            self._desk.use(row.view.name)

    def _leave_row(self, row: _SwarmLine) -> None:
        self._confirm_leaving(row.view)

    def _open(self, dialog: NewSwarmDialog | JoinSwarmDialog) -> None:
        self._dialog = dialog
        dialog.finished.connect(self._forget_dialog)
        dialog.open()

    def _forget_dialog(self) -> None:
        self._dialog = None

    def _take_refusal(self, problem: Problem) -> None:
        if self._dialog is None:
            self.problem_found.emit(problem)

    def _copy_invitation(self) -> None:
        if self._view is not None:
            QGuiApplication.clipboard().setText(self._view.used.invitation)
            self._copy.setText(_("Copied"))
            QTimer.singleShot(_COPIED_MS, self._copy, lambda: self._copy.setText(_("Copy invitation")))

    def _confirm_leaving(self, swarm: KeptSwarmView | None) -> None:
        if swarm is None:
            return
        confirm(
            self,
            "leave",
            _("Leave {swarm}?").format(swarm=swarm.title),
            explain_leaving(swarm),
            yes=_("Leave"),
            no=_("Stay"),
            do=partial(self._desk.leave, swarm.name),
        )


class _SwarmLine(QFrame):
    """Name and facts, with buttons below or beside them: "Use" only where another swarm is in use."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("entry")
        self.view: KeptSwarmView | None = None
        self.use: QPushButton | None = None
        self.title = ElidedLabel()
        self._words, self._more = muted_label(), muted_label()
        self.leave = _button(_("Leave…"), "leave-swarm")
        self._buttons = QHBoxLayout()
        self._buttons.setSpacing(8)
        self._buttons.addWidget(self.leave)
        words = QVBoxLayout()
        words.setSpacing(2)
        words.addWidget(self.title)
        words.addWidget(self._words)
        words.addWidget(self._more)
        row = QHBoxLayout(self)
        row.setContentsMargins(12, 8, 8, 8)
        row.setSpacing(14)
        row.addLayout(words, 1)
        row.addLayout(self._buttons)

    def add(self, button: QPushButton) -> None:
        """One more button, before "Leave…"."""
        self._buttons.insertWidget(0, button)
        QWidget.setTabOrder(button, self.leave)

    def show_view(self, view: KeptSwarmView, more: str, *, is_free: bool) -> None:
        """Draw it; `more` is a second line of words."""
        self.view = view
        self.title.setText(view.title)
        for label, words in ((self._words, view.words), (self._more, more)):
            label.setText(words)
            label.setVisible(bool(words))
        self.leave.setVisible(view.can_leave)
        self.leave.setAccessibleName(_("Leave {swarm}").format(swarm=view.title))
        if self.use is not None:
            self.use.setVisible(view.can_use)
            self.use.setAccessibleName(_("Use {swarm}").format(swarm=view.title))
        self.set_free(is_free)

    def set_free(self, is_free: bool) -> None:
        """While something is under way nothing else can be asked for."""
        self.leave.setEnabled(is_free)
        if self.use is not None:
            self.use.setEnabled(is_free)


def _button(text: str, name: str) -> QPushButton:
    button = QPushButton(text)
    button.setObjectName(name)
    button.setAutoDefault(False)
    return button
