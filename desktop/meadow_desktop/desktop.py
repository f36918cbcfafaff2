"""Puts the desktop together: link, desk, window and tray, and who hears whom. The only place that knows all of them.

    EngineLink ──state──► EngineView ──► tray, status strip          clicks ──► EngineLink, ChatDesk
    ChatDesk ──changed──► window

Ends: Quit in the menu, Ctrl+Q, SIGTERM, SIGINT, or closing the window where no panel shows the tray icon. An engine
that was started here is ended first. Threads: everything runs on the GUI thread.
"""

from __future__ import annotations

import shlex
import sys
import time

from PySide6.QtCore import QObject
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QApplication

from meadow_desktop.chat.desk import ChatDesk
from meadow_desktop.chat.keeping.store import ConversationStore
from meadow_desktop.credits.desk import CreditsDesk
from meadow_desktop.downloads.desk import DownloadsDesk
from meadow_desktop.engine.link import EngineFactory, EngineLink
from meadow_desktop.engine.link_state import Connected
from meadow_desktop.engine.process import EngineProcess
from meadow_desktop.event_log import ControlReporter, EventLog
from meadow_desktop.happenings import Happenings
from meadow_desktop.language import _, marked
from meadow_desktop.options import Options
from meadow_desktop.pace_log import FirstSight, PaceLog
from meadow_desktop.settings.appearance_desk import AppearanceDesk
from meadow_desktop.settings.desk import SettingsDesk
from meadow_desktop.settings.storage import StorageDesk
from meadow_desktop.swarm.desk import SwarmDesk
from meadow_desktop.swarm.membership_desk import MembershipDesk
from meadow_desktop.tray.notices import NoticeMemory, decide_notice
from meadow_desktop.tray.tray import Tray
from meadow_desktop.tray.view import EngineView, present
from meadow_desktop.welcome.desk import WelcomeDesk
from meadow_desktop.windows.chat.chat_page import ChatPage
from meadow_desktop.windows.credits.credits_page import CreditsPage
from meadow_desktop.windows.downloads_bar import DownloadsBar
from meadow_desktop.windows.main_window import MainWindow
from meadow_desktop.windows.settings.settings_page import SettingsPage
from meadow_desktop.windows.swarm.swarm_page import SwarmPage
from meadow_desktop.windows.theme import Theme, apply_text_size, apply_theme, choose_theme
from meadow_desktop.windows.welcome.welcome_window import WelcomeWindow
from meadow_engine.api.commands import PauseLength
from meadow_engine.api.places import Places

NO_TRAY_HINT = marked("Closing this window ends Meadow")


class Desktop(QObject):
    """The running desktop."""

    def __init__(
        self,
        application: QApplication,
        options: Options,
        places: Places,
        events: EventLog,
        appearance: AppearanceDesk,
    ) -> None:
        super().__init__()
        self._application = application
        self._events = events
        self._is_leaving = False
        self._noticed = NoticeMemory()
        self._colour_scheme = options.colour_scheme
        self.appearance = appearance
        appearance.setParent(self)
        self.link = EngineLink(places, _make_factory(options, places), parent=self)
        self.desk = ChatDesk(ConversationStore(places.conversations), self.link, parent=self)
        theme = self._apply_appearance()
        self.chat = ChatPage(self.desk, theme)
        self.window = MainWindow()
        self.window.add_page("chat", _("Chat"), self.chat)
        swarm = SwarmPage(SwarmDesk(self.link, parent=self), MembershipDesk(self.link, parent=self), theme)
        self.window.add_page("swarm", _("Swarm"), swarm)
        self.credits = CreditsPage(CreditsDesk(self.link, parent=self), theme)
        self.window.add_page("credits", _("Credits"), self.credits)
        self.settings = SettingsPage(
            SettingsDesk(self.link, parent=self), appearance, StorageDesk(self.link, parent=self), places
        )
        self.window.add_page("settings", _("Settings"), self.settings)
        downloads = DownloadsDesk(self.link, parent=self)
        self.window.add_bar(DownloadsBar(downloads))
        downloads.trouble.connect(self.window.show_problem)
        self._downloads = downloads
        self.window.show_theme(theme)
        self._welcomes = not (options.attaches_only or appearance.appearance.is_welcomed)
        self._welcome: WelcomeWindow | None = None
        self.tray = Tray(self) if options.has_tray else None
        self._reporter = ControlReporter(events, self)
        Happenings(events, self.desk, self.chat, self.credits, parent=self)
        if options.logs_blocks:
            PaceLog(events, self)
            FirstSight(events, self.window)
        self._connect()
        self._opens_chat = options.opens_chat

    def begin(self) -> None:
        """Load, look for the engine, and show whatever can be shown."""
        self.desk.load()
        self._show_engine()
        self.link.begin()
        if self._welcomes:
            self.welcome()
        elif self._opens_chat or not self._has_tray_host():
            self.open_chat()
        self._show_hint()
        self._events.write("started", tray_host=self._has_tray_host())

    def open_chat(self) -> None:
        """Bring the window to the front, ready for a question."""
        self.window.show_page("chat")
        self.window.come_forward()
        self._events.write("window-shown")

    def welcome(self) -> None:
        """Show the window of the first start; the main window comes after it, whatever was chosen."""
        self._welcome = window = WelcomeWindow(WelcomeDesk(self.link, parent=self))
        window.finished_all.connect(self._take_welcomed)
        window.finished.connect(self.open_chat)
        window.show()
        window.raise_()
        window.activateWindow()
        self._events.write("welcome-shown")

    def _take_welcomed(self) -> None:
        self.appearance.keep_welcomed()
        self._downloads.look()
        self._events.write("welcomed")

    def open_page(self, name: str) -> None:
        """Bring the window to the front with this page."""
        self.window.show_page(name)
        self.window.come_forward()
        self._events.write("window-shown")

    def leave(self) -> None:
        """End the program, and an engine that was started here before it."""
        if self._is_leaving:
            return
        self._is_leaving = True
        self._events.write("leaving")
        self.desk.close()
        self.settings.close_files()
        self.window.hide()
        if self.tray is not None:
            self.tray.hide()
        self.link.closed.connect(self._application.quit)
        self.link.close()

    def _connect(self) -> None:
        window, link, desk, tray = self.window, self.link, self.desk, self.tray
        link.changed.connect(self._show_engine)
        link.sharing_failed.connect(window.show_problem)
        for asking in (window, tray) if tray is not None else (window,):
            asking.share_asked.connect(self._share)
            asking.pause_asked.connect(self._pause)
            asking.resume_asked.connect(self._resume)
            asking.anyway_asked.connect(self._share_anyway)
        self.settings.pause_asked.connect(self._pause)
        self.settings.resume_asked.connect(self._resume)
        self.settings.anyway_asked.connect(self._share_anyway)
        self.appearance.changed.connect(self._take_colour_scheme)
        window.retry_asked.connect(link.retry)
        window.quit_asked.connect(self.leave)
        window.was_closed.connect(self._take_window_closed)
        window.page_shown.connect(lambda name: self._events.write("page-shown", name=name))
        desk.found.connect(lambda _query, hits: self._events.write("found", hits=len(hits)))
        desk.trouble.connect(window.show_problem)
        desk.trouble_over.connect(window.hide_problem)
        if tray is not None:
            tray.chat_asked.connect(self.open_chat)
            tray.page_asked.connect(self.open_page)
            tray.quit_asked.connect(self.leave)
            tray.host_changed.connect(self._take_host)
            tray.host_missed.connect(self._replace_tray)
        hints = QGuiApplication.styleHints()
        hints.colorSchemeChanged.connect(self._take_colour_scheme)
        self._application.commitDataRequest.connect(self.desk.close)

    def _share(self, enabled: bool) -> None:
        self.link.set_sharing(enabled)
        self._show_engine()

    def _pause(self, length: PauseLength) -> None:
        self.link.pause(length)
        self._show_engine()

    def _resume(self) -> None:
        self.link.resume()
        self._show_engine()

    def _share_anyway(self, code: str) -> None:
        self.link.share_anyway(code)
        self._show_engine()

    def _show_engine(self) -> None:
        state = self.link.state
        view = present(state)
        pending = self.link.is_sharing_pending
        self.window.show_engine(view, is_pending=pending)
        if self.tray is not None and not self._is_leaving:
            self.tray.show(view, is_pending=pending)
            self._tell(view)
        self._events.write(
            "engine",
            state=type(state).__name__.lower(),
            shape=view.shape,
            headline=view.headline,
            is_ours=isinstance(state, Connected) and state.is_ours,
            pid=state.status.pid if isinstance(state, Connected) else None,
        )

    def _tell(self, view: EngineView) -> None:
        is_seen = self.window.isVisible() and self.window.isActiveWindow()
        self._noticed, notice = decide_notice(self._noticed, view, time.monotonic(), is_window_seen=is_seen)
        if notice is not None and self.tray is not None and self.appearance.appearance.notifications:
            self.tray.tell(notice)
            self._events.write("notified", headline=notice.headline)

    def _has_tray_host(self) -> bool:
        return self.tray is not None and self.tray.has_host

    def _take_host(self, has_host: bool) -> None:
        self._events.write("tray-host", present=has_host)
        self._show_hint()

    def _replace_tray(self) -> None:
        """Without a panel and without a window nobody could reach this program."""
        if not (self._is_leaving or self.window.isVisible()):
            self.open_chat()

    def _show_hint(self) -> None:
        self.window.show_hint("" if self._has_tray_host() else _(NO_TRAY_HINT))

    def _take_window_closed(self) -> None:
        self._events.write("window-closed")
        if not self._has_tray_host():
            self.leave()

    def _take_colour_scheme(self) -> None:
        self.window.show_theme(self._apply_appearance())

    def _apply_appearance(self) -> Theme:
        """What the command line says counts more than what was chosen in the settings."""
        chosen = self.appearance.appearance
        theme = choose_theme(chosen.theme if self._colour_scheme == "system" else self._colour_scheme)
        apply_text_size(self._application, chosen.text_percent)
        apply_theme(self._application, theme)
        return theme


def _make_factory(options: Options, places: Places) -> EngineFactory | None:
    if options.attaches_only or options.fake_engine is not None:
        return None
    command = shlex.split(options.engine_command) if options.engine_command else [sys.executable, "-m", "meadow_engine"]
    command += ["--no-gui", "--tethered"]
    if options.base_dir is not None:
        command += ["--base-dir", str(options.base_dir)]
    return lambda parent: EngineProcess(command, places.logs / "engine.log", parent)
