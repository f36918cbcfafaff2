"""Why (not) now: what sharing does, each reason that speaks against it, and what can be done about it. GUI thread."""

from __future__ import annotations

from functools import partial

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from meadow_desktop.language import _
from meadow_desktop.settings.holding_back import NowView, ReasonLine
from meadow_desktop.tray.icon import draw_pixmap
from meadow_desktop.tray.pause_menu import SHARE_ANYWAY, PauseMenu
from meadow_desktop.windows.settings.folding import Folding
from meadow_desktop.windows.settings.words import make_button, make_words


class NowCard(QFrame):
    """Stands above the rules of sharing."""

    pause_asked = Signal(str)  # PauseLength
    resume_asked = Signal()
    anyway_asked = Signal(str)  # the reason's code

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("now-card")
        self._view: NowView | None = None
        self._icon = QLabel()
        self._headline = make_words("", "strong")
        self._detail = make_words("", "muted")
        self._reasons = QVBoxLayout()
        self._reasons.setSpacing(8)
        self._pause = make_button(_("Pause"), "settings-pause")
        menu = PauseMenu(_("Pause"), self._pause)
        menu.pause_asked.connect(self.pause_asked)
        self._pause.setMenu(menu)
        self._resume = make_button(_("Resume"), "settings-resume")
        self._resume.clicked.connect(self.resume_asked)
        top = QHBoxLayout()
        top.setSpacing(12)
        top.addWidget(self._icon, 0, Qt.AlignmentFlag.AlignVCenter)
        words = QVBoxLayout()
        words.setSpacing(2)
        words.addWidget(self._headline)
        words.addWidget(self._detail)
        top.addLayout(words, 1)
        top.addWidget(self._pause, 0, Qt.AlignmentFlag.AlignVCenter)
        top.addWidget(self._resume, 0, Qt.AlignmentFlag.AlignVCenter)
        column = QVBoxLayout(self)
        column.setContentsMargins(16, 12, 16, 12)
        column.setSpacing(10)
        column.addLayout(top)
        column.addLayout(self._reasons)

    def show_view(self, view: NowView, *, is_pending: bool) -> None:
        """Draw it; while a command is under way no other can be given."""
        self._icon.setPixmap(draw_pixmap(view.shape, 26, self.devicePixelRatioF()))
        self._icon.setAccessibleName(view.headline)
        self._headline.setText(view.headline)
        self._detail.setText(view.detail)
        self._detail.setVisible(bool(view.detail))
        self._pause.setVisible(view.can_pause)
        self._resume.setVisible(view.can_resume)
        self._pause.setEnabled(not is_pending)
        self._resume.setEnabled(not is_pending)
        if self._view is None or view.lines != self._view.lines:
            while (item := self._reasons.takeAt(0)) is not None:
                if (widget := item.widget()) is not None:
                    widget.hide()
                    widget.deleteLater()
            for line in view.lines:
                reason = self._reason(line)
                self._reasons.addWidget(reason)
                for button in reason.findChildren(QPushButton):
                    QWidget.setTabOrder(self._resume, button)  # before the rules that were made earlier
        self._view = view

    def _reason(self, line: ReasonLine) -> QFrame:
        frame = QFrame()
        frame.setObjectName("reason")
        words = QVBoxLayout()
        words.setSpacing(1)
        words.addWidget(make_words(line.sentence, ""))
        if line.ending:
            words.addWidget(make_words(line.ending, "muted"))
        row = QVBoxLayout(frame)
        row.setContentsMargins(12, 8, 8, 8)
        if line.anyway_code:
            button = make_button(_(SHARE_ANYWAY), f"anyway-{line.anyway_code}")
            button.clicked.connect(partial(self.anyway_asked.emit, line.anyway_code))
            row.addWidget(Folding(words, button))
        else:
            row.addLayout(words)
        return frame
