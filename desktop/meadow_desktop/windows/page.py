"""What every page of the window has in common. GUI thread."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QWidget

from meadow_desktop.windows.theme import Theme


class Page(QWidget):
    """One of the window's pages. Those that ask the engine for something do so while they are shown."""

    problem_found = Signal(object)  # Problem: said above the page
    problem_gone = Signal()

    def show_theme(self, theme: Theme) -> None:
        """The colours are others now; what Qt's style sheet does not reach is drawn anew."""

    def enter(self) -> None:
        """The page is shown now: fetch what it shows, and take the keyboard."""

    def leave(self) -> None:
        """Another page is shown now, or the window is hidden: fetch nothing more."""
