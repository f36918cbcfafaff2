"""The pauses to choose from, as a menu: the tray's submenu, and the one that the window's button opens. GUI thread."""

from __future__ import annotations

from functools import partial

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QMenu, QWidget

from meadow_desktop.language import _, marked
from meadow_desktop.tray.view import PAUSES

SHARE_ANYWAY = marked("Share anyway for 1 hour")


class PauseMenu(QMenu):
    """One entry for each pause."""

    pause_asked = Signal(str)  # PauseLength

    def __init__(self, title: str, parent: QWidget) -> None:
        super().__init__(title, parent)
        for length, words in PAUSES:
            self.addAction(_(words)).triggered.connect(partial(self._ask, length))

    def _ask(self, length: str) -> None:
        self.pause_asked.emit(length)
