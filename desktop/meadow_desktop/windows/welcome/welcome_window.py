"""The window of the first start: at most four screens, and nothing happens before the last click. GUI thread."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QDialog,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QStackedWidget,
    QVBoxLayout,
)

from meadow_desktop.language import _
from meadow_desktop.welcome.choices import SCREENS, Choices
from meadow_desktop.welcome.desk import WelcomeDesk
from meadow_desktop.welcome.view import (
    describe_computer,
    describe_default_swarm,
    describe_login,
    explain_when,
    present_frame,
    summarise,
)
from meadow_desktop.windows.column_page import muted_label
from meadow_desktop.windows.notice_bar import NoticeBar
from meadow_desktop.windows.welcome.screens import ShareScreen, SummaryScreen, WhatScreen, WhereScreen
from meadow_engine.api.errors import Problem


class WelcomeWindow(QDialog):
    """`finished_all`: everything that was chosen is in force. Closing it before that changes nothing."""

    finished_all = Signal()

    def __init__(self, desk: WelcomeDesk) -> None:
        super().__init__()
        self.setObjectName("welcome")
        self.setWindowTitle(_("Welcome to Meadow"))
        self.setMinimumSize(520, 420)
        self.resize(620, 540)
        self._desk = desk
        self._place = 0
        self._choices = Choices()
        self._title = QLabel()
        self._title.setProperty("kind", "headline")
        self._title.setWordWrap(True)
        self._progress = muted_label()
        self._progress.setAlignment(Qt.AlignmentFlag.AlignTrailing | Qt.AlignmentFlag.AlignVCenter)
        self._notice = NoticeBar()
        self._share, self._where, self._summary = ShareScreen(), WhereScreen(), SummaryScreen()
        self._stack = QStackedWidget()
        for screen in (WhatScreen(), self._share, self._where, self._summary):
            area = QScrollArea()
            area.setWidgetResizable(True)
            area.setFrameShape(QFrame.Shape.NoFrame)
            area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
            area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            screen.setObjectName("page")
            area.setWidget(screen)
            self._stack.addWidget(area)
        self._back = QPushButton(_("Back"))
        self._back.setObjectName("welcome-back")
        self._back.setAutoDefault(False)
        self._continue = QPushButton()
        self._continue.setObjectName("welcome-continue")
        self._continue.setProperty("kind", "primary")
        self._continue.setDefault(True)
        self._build()
        self._back.clicked.connect(self._go_back)
        self._continue.clicked.connect(self._go_on)
        self._share.chosen.connect(lambda shares: self._take(replace(self._choices, shares=shares)))
        self._where.changed.connect(self._take_where)
        self._summary.login_chosen.connect(lambda wish: self._take(replace(self._choices, starts_at_login=wish)))
        desk.changed.connect(self._draw)
        desk.checked.connect(self._take_checked)
        desk.finished.connect(self._finish)
        desk.trouble.connect(self._show_problem)
        desk.look()
        self._draw()

    @property
    def choices(self) -> Choices:
        """What is chosen so far."""
        return self._choices

    def _build(self) -> None:
        head = QHBoxLayout()
        head.addWidget(self._title, 1)
        head.addWidget(self._progress)
        buttons = QHBoxLayout()
        buttons.addWidget(self._back)
        buttons.addStretch(1)
        buttons.addWidget(self._continue)
        column = QVBoxLayout(self)
        column.setContentsMargins(28, 24, 28, 20)
        column.setSpacing(16)
        column.addLayout(head)
        column.addWidget(self._notice)
        column.addWidget(self._stack, 1)
        column.addLayout(buttons)

    def _draw(self) -> None:
        desk, screen = self._desk, SCREENS[self._place]
        view = present_frame(screen, self._choices, is_busy=desk.is_busy)
        self._title.setText(view.title)
        self._progress.setText(view.progress)
        self._back.setVisible(self._place > 0)
        self._back.setEnabled(view.can_go_back)
        self._continue.setText(view.continue_words)
        self._continue.setEnabled(view.can_continue)
        self._share.show_computer(describe_computer(desk.computer), explain_when(desk.computer))
        default = describe_default_swarm(desk.addresses)
        self._where.show_default(default)
        lines = summarise(self._choices, desk.computer, desk.size, default)
        can_start = desk.autostart is not None and desk.autostart.is_possible
        self._summary.show_summary(lines, describe_login(desk.autostart), can_start_at_login=can_start)
        self._stack.setCurrentIndex(self._place)

    def _take(self, choices: Choices) -> None:
        self._choices = choices
        self._draw()

    def _take_where(self, where: Choices) -> None:
        self._notice.hide()
        self._take(replace(where, shares=self._choices.shares, starts_at_login=self._choices.starts_at_login))

    def _go_back(self) -> None:
        self._notice.hide()
        self._place -= 1
        self._draw()

    def _go_on(self) -> None:
        self._notice.hide()
        match SCREENS[self._place]:
            case "where":
                self._desk.check_model(self._choices.model)
            case "summary":
                self._desk.apply(self._choices)
            case _other:
                self._place += 1
                self._draw()

    def _take_checked(self) -> None:
        if SCREENS[self._place] == "where":
            self._place += 1
            self._draw()

    def _show_problem(self, problem: Problem) -> None:
        self._notice.show_problem(problem)
        self._draw()

    def _finish(self) -> None:
        self.finished_all.emit()
        self.accept()
