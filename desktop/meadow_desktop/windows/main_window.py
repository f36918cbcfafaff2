"""The one window: what to see on the left, the chosen page beside it, the engine's state below. GUI thread.

Pages are made by the composition root and know nothing of one another.
"""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtGui import QCloseEvent, QKeySequence, QShortcut
from PySide6.QtWidgets import QHBoxLayout, QMainWindow, QStackedWidget, QVBoxLayout, QWidget

from meadow_desktop.tray.view import EngineView
from meadow_desktop.windows.navigation import Navigation
from meadow_desktop.windows.notice_bar import NoticeBar
from meadow_desktop.windows.page import Page
from meadow_desktop.windows.status_strip import StatusStrip
from meadow_desktop.windows.theme import Theme
from meadow_engine.api.errors import Problem


class MainWindow(QMainWindow):
    """The window. `page_shown` names the page."""

    share_asked = Signal(bool)
    pause_asked = Signal(str)  # PauseLength
    resume_asked = Signal()
    anyway_asked = Signal(str)  # the reason's code
    retry_asked = Signal()
    quit_asked = Signal()
    was_closed = Signal()
    page_shown = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.setWindowTitle("Meadow")
        self.setMinimumSize(640, 440)
        self.resize(1080, 720)
        self._navigation = Navigation()
        self._pages: dict[str, Page] = {}
        self._shown = ""
        self._stack = QStackedWidget()
        self._notice = NoticeBar(room=10)
        self._strip = StatusStrip()
        self._build()
        self._navigation.page_asked.connect(self.show_page)
        self._strip.share_asked.connect(self.share_asked)
        self._strip.pause_asked.connect(self.pause_asked)
        self._strip.resume_asked.connect(self.resume_asked)
        self._strip.anyway_asked.connect(self.anyway_asked)
        self._strip.retry_asked.connect(self.retry_asked)
        for keys, action in (("Ctrl+W", self.close), ("Ctrl+Q", self.quit_asked.emit)):
            QShortcut(QKeySequence(keys), self).activated.connect(action)

    def add_page(self, name: str, title: str, page: Page) -> None:
        """One more page, below the others; the first is shown. Ctrl+1, Ctrl+2, … choose them, too."""
        self._pages[name] = page
        self._stack.addWidget(page)
        page.problem_found.connect(self.show_problem)
        page.problem_gone.connect(self.hide_problem)
        self._navigation.add(name, title)
        shortcut = QShortcut(QKeySequence(f"Ctrl+{len(self._pages)}"), self)
        shortcut.activated.connect(lambda: self.show_page(name))
        if len(self._pages) == 1:
            self.show_page(name)

    @property
    def shown_page(self) -> str:
        """The name of the page that is shown."""
        return self._shown

    def show_page(self, name: str) -> None:
        """Go to this page."""
        if name == self._shown:
            return
        if self._shown:
            self._pages[self._shown].leave()
        self._shown = name
        self._notice.hide()
        self._stack.setCurrentWidget(self._pages[name])
        self._navigation.mark(name)
        if self.isVisible():
            self._pages[name].enter()
        self.page_shown.emit(name)

    def show_engine(self, view: EngineView, *, is_pending: bool) -> None:
        """Draw the engine's state."""
        self._strip.show_view(view, is_pending=is_pending)

    def show_problem(self, problem: Problem) -> None:
        """Tell the person about something that is not one answer's business."""
        self._notice.show_problem(problem)

    def add_bar(self, bar: QWidget) -> None:
        """Something that is shown above the engine's state, whatever the page."""
        self._outer.insertWidget(self._outer.count() - 1, bar)

    def hide_problem(self) -> None:
        """It is over."""
        self._notice.hide()

    def show_hint(self, text: str) -> None:
        """What closing the window does."""
        self._strip.show_hint(text)

    def show_theme(self, theme: Theme) -> None:
        """The desktop went from light to dark, or back."""
        self._navigation.show_theme(theme)
        for page in self._pages.values():
            page.show_theme(theme)

    def come_forward(self) -> None:
        """Show the window above the others."""
        if self.isMinimized():
            self.showNormal()
        was_visible = self.isVisible()
        self.show()
        self.raise_()
        self.activateWindow()
        if not was_visible and self._shown:
            self._pages[self._shown].enter()

    def closeEvent(self, event: QCloseEvent) -> None:
        """Closing hides; whether the program goes on is decided elsewhere."""
        event.ignore()
        self.hide()
        if self._shown:
            self._pages[self._shown].leave()
        self.was_closed.emit()

    def _build(self) -> None:
        right = QVBoxLayout()
        right.setContentsMargins(0, 0, 0, 0)
        right.setSpacing(0)
        notice = QHBoxLayout()
        notice.setContentsMargins(20, 0, 20, 0)
        notice.addWidget(self._notice)
        right.addLayout(notice)
        right.addWidget(self._stack, 1)
        middle = QHBoxLayout()
        middle.setContentsMargins(0, 0, 0, 0)
        middle.setSpacing(0)
        middle.addWidget(self._navigation)
        middle.addLayout(right, 1)
        whole = QWidget()
        whole.setObjectName("page")
        outer = self._outer = QVBoxLayout(whole)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.setSpacing(0)
        outer.addLayout(middle, 1)
        outer.addWidget(self._strip)
        self.setCentralWidget(whole)
