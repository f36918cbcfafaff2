"""The icon in the panel and its menu: shows an `EngineView`, reports what was clicked. GUI thread.

A panel may come late, go, or never be there (`host_watch.py`).
"""

from __future__ import annotations

from functools import partial

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QAction, QIcon
from PySide6.QtWidgets import QMenu, QSystemTrayIcon

from meadow_desktop.language import _
from meadow_desktop.tray.host_watch import HostWatch
from meadow_desktop.tray.icon import make_icon
from meadow_desktop.tray.notices import Notice
from meadow_desktop.tray.pause_menu import SHARE_ANYWAY, PauseMenu
from meadow_desktop.tray.session_bus import find_session_bus
from meadow_desktop.tray.view import EngineView, IconShape, describe_for_tooltip


class Tray(QObject):
    """The tray icon, shown for as long as this object lives."""

    chat_asked = Signal()
    share_asked = Signal(bool)
    pause_asked = Signal(str)  # PauseLength
    resume_asked = Signal()
    anyway_asked = Signal(str)  # the reason's code
    page_asked = Signal(str)
    quit_asked = Signal()
    host_changed = Signal(bool)  # a panel shows our icon now
    host_missed = Signal()  # and none has for a while

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

        self._icon = self._make_icon()
        self._shown: tuple[EngineView, bool] | None = None
        self._host = HostWatch(find_session_bus(), QSystemTrayIcon.isSystemTrayAvailable, parent=self)
        self._host.changed.connect(self._take_host)
        self._host.missed.connect(self.host_missed)

    @property
    def has_host(self) -> bool:
        """A panel shows our icon."""
        return self._host.has_host

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
        self._host.stop()
        self._icon.hide()

    def _ask_for_page(self, name: str) -> None:
        self.page_asked.emit(name)

    def _take_click(self, reason: QSystemTrayIcon.ActivationReason) -> None:
        if reason in {
            QSystemTrayIcon.ActivationReason.Trigger,
            QSystemTrayIcon.ActivationReason.DoubleClick,
        }:
            self.chat_asked.emit()

    def _make_icon(self) -> QSystemTrayIcon:
        icon = QSystemTrayIcon(self)
        icon.setContextMenu(self._menu)
        icon.activated.connect(self._take_click)
        icon.messageClicked.connect(self.chat_asked)
        return icon

    def _take_host(self, has_host: bool) -> None:
        # Which kind of panel an icon can go to, Qt decides when it is made: one that was made without any, or for the
        # kind that is gone, would stay invisible.
        self._icon.hide()
        self._icon.deleteLater()
        self._icon = self._make_icon()
        shown, self._shown = self._shown, None
        if shown is not None:
            view, is_pending = shown
            self.show(view, is_pending=is_pending)
        self.host_changed.emit(has_host)
