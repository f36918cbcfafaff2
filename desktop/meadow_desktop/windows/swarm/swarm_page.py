"""The swarm page: the swarms that are kept, this computer's part, every model with its coverage. GUI thread."""

from __future__ import annotations

from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QPushButton

from meadow_desktop.language import _
from meadow_desktop.swarm.desk import SwarmDesk
from meadow_desktop.swarm.membership_desk import MembershipDesk
from meadow_desktop.windows.column_page import ColumnPage, muted_label
from meadow_desktop.windows.swarm.membership_card import MembershipCard
from meadow_desktop.windows.swarm.model_card import ModelCard
from meadow_desktop.windows.theme import Theme

_COPIED_MS = 1500


class SwarmPage(ColumnPage):
    """Draws the desks' views."""

    def __init__(self, desk: SwarmDesk, membership: MembershipDesk, theme: Theme) -> None:
        super().__init__(_("Swarm"))
        self.setObjectName("swarm-page")
        self._desk, self._membership = desk, membership
        self._theme = theme
        self._copy = QPushButton(_("Copy as text"))
        self._copy.setObjectName("copy-swarm")
        self._copy.setToolTip(_("For a bug report: models, layers and speeds, without addresses"))
        self._copy.clicked.connect(self._copy_report)
        self._own, self._empty = muted_label(), muted_label()
        self._empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._cards: list[ModelCard] = []
        card = MembershipCard(membership)
        self.first.addWidget(self._copy)
        self.lines.addWidget(card)
        self.lines.addWidget(self._own)
        self.lines.addWidget(self._empty, 1)
        self.lines.addStretch(1)
        desk.changed.connect(self._draw)
        desk.trouble.connect(self.problem_found)
        desk.trouble_over.connect(self.problem_gone)
        card.problem_found.connect(self.problem_found)
        self._draw()

    def enter(self) -> None:
        """Ask for the swarm, and go on asking."""
        self._desk.watch()
        self._membership.watch()
        self._draw()

    def leave(self) -> None:
        """Ask no more."""
        self._desk.rest()
        self._membership.rest()

    def show_theme(self, theme: Theme) -> None:
        """Draw bars and tables in these colours."""
        self._theme = theme
        self._draw()

    def _draw(self) -> None:
        view = self._desk.view
        self._own.setText(view.own)
        self._own.setVisible(bool(view.own))
        self._empty.setText(view.empty)
        self._empty.setVisible(bool(view.empty))
        self._copy.setEnabled(bool(view.models))
        while len(self._cards) > len(view.models):
            card = self._cards.pop()
            self.lines.removeWidget(card)
            card.hide()
            card.deleteLater()
        while len(self._cards) < len(view.models):
            card = ModelCard()
            self.lines.insertWidget(self.lines.count() - 1, card)
            self._cards.append(card)
        for card, model in zip(self._cards, view.models, strict=True):
            card.show_view(model, self._theme)

    def _copy_report(self) -> None:
        QGuiApplication.clipboard().setText(self._desk.report)
        self._copy.setText(_("Copied"))
        QTimer.singleShot(_COPIED_MS, self._copy, lambda: self._copy.setText(_("Copy as text")))
