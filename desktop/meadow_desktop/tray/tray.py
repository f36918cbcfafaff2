"""The icon in the panel and its menu: shows an `EngineView`, reports what was clicked. GUI thread.

A panel may come late or never. Qt says whether one is there; a timer asks again, because no signal tells. It asks often
where panels come and go, at the login, and seldom later: every asking wakes the computer.
"""

from __future__ import annotations

from functools import partial

from PySide6.QtCore import QObject, QTimer, Signal
from PySide6.QtGui import QAction, QIcon
from PySide6.QtWidgets import QMenu, QSystemTrayIcon

from meadow_desktop.language import _
from meadow_desktop.tray.icon import make_icon
from meadow_desktop.tray.notices import Notice
from meadow_desktop.tray.pause_menu import SHARE_ANYWAY, PauseMenu
from meadow_desktop.tray.view import EngineView, IconShape, describe_for_tooltip

_LOOK_AGAIN_MS = 2000
_LOOK_SELDOM_MS = 60_000
# A login takes its time, and so does a panel that crashed and is started again.
_LOOKS_AFTER_NEWS = 15


class Tray(QObject):
    """The tray icon, shown for as long as this object lives."""

    chat_asked = Signal()
    share_asked = Signal(bool)
    pause_asked = Signal(str)  # PauseLength
    resume_asked = Signal()
    anyway_asked = Signal(str)  # the reason's code
    page_asked = Signal(str)
    quit_asked = Signal()
    host_changed = Signal(bool)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._icons: dict[IconShape, QIcon] = {}
        self._menu = QMenu()
        self._status = QAction("", self._menu)
        self._status.setEnabled(False)
        self._share = QAction(_("Share this computer"), self._menu)
        self._share.setCheckable(True)
        self._pause = PauseMenu(_("Pause"), self._menu)
        self._resume = QAction(_("Resume sharing"), self._menu)
        self._anyway = QAction(_(SHARE_ANYWAY), self._menu)
        self._anyway_code = ""
        chat = QAction(_("Open chat"), self._menu)
        pages = [QAction(words, self._menu) for words in (_("Credits"), _("Settings"))]
        self._leave = QAction("", self._menu)
        self._menu.addAction(self._status)
        self._menu.addSeparator()
        self._menu.addAction(self._share)
        self._menu.addMenu(self._pause)
        self._menu.addAction(self._resume)
        self._menu.addAction(self._anyway)
        self._menu.addSeparator()
        self._menu.addAction(chat)
        self._menu.addActions(pages)
        self._menu.addSeparator()
        self._menu.addAction(self._leave)
        self._share.triggered.connect(self.share_asked)
        self._pause.pause_asked.connect(self.pause_asked)
        self._resume.triggered.connect(lambda: self.resume_asked.emit())
        self._anyway.triggered.connect(lambda: self.anyway_asked.emit(self._anyway_code))
        chat.triggered.connect(self.chat_asked)
        for page, name in zip(pages, ("credits", "settings"), strict=True):
            page.triggered.connect(partial(self._ask_for_page, name))
        self._leave.triggered.connect(self.quit_asked)

        self._icon = QSystemTrayIcon(self)
        self._icon.setContextMenu(self._menu)
        self._icon.activated.connect(self._take_click)
        self._icon.messageClicked.connect(self.chat_asked)
        self._has_host = QSystemTrayIcon.isSystemTrayAvailable()
        self._look = QTimer(self, interval=_LOOK_AGAIN_MS)
        self._look.timeout.connect(self._look_for_host)
        self._often_left = _LOOKS_AFTER_NEWS
        self._shown: tuple[EngineView, bool] | None = None
        self._look.start()

    @property
    def has_host(self) -> bool:
        """A panel shows our icon."""
        return self._has_host

    def show(self, view: EngineView, *, is_pending: bool) -> None:
        """Draw the engine's state. What is drawn already is not drawn again: a panel would ask for all of it."""
        if (view, is_pending) == self._shown:
            return
        self._shown = view, is_pending
        if view.shape not in self._icons:
            self._icons[view.shape] = make_icon(view.shape)
        self._icon.setIcon(self._icons[view.shape])
        self._icon.setToolTip(describe_for_tooltip(view))
        self._status.setText(view.headline)
        self._leave.setText(view.quit_words)
        self._share.setChecked(bool(view.is_share_checked))
        self._share.setEnabled(view.can_share and not is_pending)
        self._anyway_code = view.anyway_code
        for action, is_offered in (
            (self._pause.menuAction(), view.can_pause),
            (self._resume, view.can_resume),
            (self._anyway, bool(view.anyway_code)),
        ):
            action.setVisible(is_offered)
            action.setEnabled(not is_pending)
        self._icon.show()

    def tell(self, notice: Notice) -> None:
        """Interrupt the person."""
        self._icon.showMessage(notice.headline, notice.detail, self._icon.icon())

    def hide(self) -> None:
        """Take the icon away."""
        self._look.stop()
        self._icon.hide()

    def _ask_for_page(self, name: str) -> None:
        self.page_asked.emit(name)

    def _take_click(self, reason: QSystemTrayIcon.ActivationReason) -> None:
        if reason in {
            QSystemTrayIcon.ActivationReason.Trigger,
            QSystemTrayIcon.ActivationReason.DoubleClick,
        }:
            self.chat_asked.emit()

    def _look_for_host(self) -> None:
        has_host = QSystemTrayIcon.isSystemTrayAvailable()
        if has_host != self._has_host:
            self._has_host = has_host
            self._often_left = _LOOKS_AFTER_NEWS
            self._shown = None
            self.host_changed.emit(has_host)
        self._often_left -= 1
        self._look.setInterval(_LOOK_AGAIN_MS if self._often_left > 0 else _LOOK_SELDOM_MS)
