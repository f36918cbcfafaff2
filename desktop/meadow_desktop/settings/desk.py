"""The settings page's talk with the engine: what it says, one change after the other, and what it refused.

    page ──change(name, value)──► queue ──PATCH──► engine ──SettingsOverview──► changed
                                                      └──── Problem ──► refused[name], the old value again

Changes wait for each other, so that no older answer is shown after a newer one; a value that is changed again while it
waits is sent once. What waits when the engine goes away is forgotten. An engine for which a change counts at its next
start only can be started again; the link finds it by itself. Threads: GUI thread.
"""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtCore import QObject, Signal

from meadow_desktop.chat.answering import ENGINE_SILENT
from meadow_desktop.engine.link import EngineLink
from meadow_desktop.engine.link_state import Connected, LinkState
from meadow_engine.api.autostart import AutostartStatus, SetAutostart
from meadow_engine.api.commands import ChangeSettings, Restarting
from meadow_engine.api.errors import Problem
from meadow_engine.api.settings_overview import SettingsOverview, Value
from meadow_engine.api.status import EngineStatus


class SettingsDesk(QObject):
    """What the engine said last. `overview` and `autostart` are None until it said something."""

    changed = Signal()
    now_changed = Signal()  # what sharing does, and why it does nothing more
    autostart_changed = Signal()
    trouble = Signal(object)  # Problem
    trouble_over = Signal()

    def __init__(self, link: EngineLink, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.link = link
        self.overview: SettingsOverview | None = None
        self.refused: dict[str, Problem] = {}
        self.autostart: AutostartStatus | None = None
        self._waiting: dict[str, Value | None] = {}
        self._sent: dict[str, Value | None] = {}
        self.is_restarting = False
        self._has_trouble = False
        self._is_open = False
        self._was_connected = isinstance(link.state, Connected)
        self._seen: tuple[bool, list[str]] | None = None
        link.changed.connect(self._take_link)

    @property
    def wanted(self) -> Mapping[str, Value | None]:
        """Changes that the engine has not answered yet; None is "back to the default"."""
        return {**self._sent, **self._waiting}

    @property
    def status(self) -> EngineStatus | None:
        """The engine's status, while it answers."""
        state = self.link.state
        return state.status if isinstance(state, Connected) else None

    def open(self) -> None:
        """The page is shown: ask for everything, and keep it fresh."""
        self._is_open = True
        self.refused.clear()
        self.refresh()

    def close(self) -> None:
        """The page is not shown any more."""
        self._is_open = False

    def refresh(self) -> None:
        """Ask the engine for its settings, and the system for what starts at login."""
        client = self.link.client
        if client is None:
            return
        client.get("/api/settings", SettingsOverview).done.connect(self._take_overview)
        client.get("/api/autostart", AutostartStatus).done.connect(self._take_autostart)

    def change(self, name: str, value: Value | None) -> None:
        """Have a setting changed; None goes back to its default."""
        self.refused.pop(name, None)
        if self.link.client is None:
            self.refused[name] = ENGINE_SILENT
        else:
            self._waiting[name] = value
            self._send_next()
        self.changed.emit()

    def restart(self) -> None:
        """Have the engine start again, with the settings of now."""
        client = self.link.client
        if client is None or self.is_restarting:
            return
        self.is_restarting = True
        client.send("POST", "/api/restart", None, Restarting).done.connect(self._take_restart)
        self.changed.emit()

    def set_autostart(self, enabled: bool) -> None:
        """Have the app started at login, or no longer."""
        client = self.link.client
        if client is None:
            self.autostart_changed.emit()
            return
        request = client.send("POST", "/api/autostart", SetAutostart(enabled=enabled), AutostartStatus)
        request.done.connect(self._take_autostart_switched)

    def _send_next(self) -> None:
        client = self.link.client
        if self._sent or not self._waiting or client is None:
            return
        name = next(iter(self._waiting))
        value = self._waiting.pop(name)
        self._sent = {name: value}
        command = ChangeSettings.model_validate({"values": {name: value}})
        request = client.send("PATCH", "/api/settings", command, SettingsOverview)
        request.done.connect(lambda answer: self._take_change(name, answer))

    def _take_change(self, name: str, answer: SettingsOverview | Problem) -> None:
        self._sent = {}
        if isinstance(answer, Problem):
            self.refused[name] = answer
        else:
            self.overview = answer
        self._send_next()
        self.changed.emit()

    def _take_restart(self, answer: Restarting | Problem) -> None:
        if isinstance(answer, Problem):
            self.is_restarting = False
            self.trouble.emit(answer)
            self.changed.emit()

    def _take_overview(self, answer: SettingsOverview | Problem) -> None:
        if isinstance(answer, Problem):
            self._has_trouble = True
            self.trouble.emit(answer)
            return
        if self._has_trouble:
            self._has_trouble = False
            self.trouble_over.emit()
        if not self._sent:  # a change's own answer is newer
            self.overview = answer
            self.changed.emit()

    def _take_autostart(self, answer: AutostartStatus | Problem) -> None:
        if not isinstance(answer, Problem):
            self.autostart = answer
            self.autostart_changed.emit()

    def _take_autostart_switched(self, answer: AutostartStatus | Problem) -> None:
        if isinstance(answer, Problem):
            self.trouble.emit(answer)
            self.autostart_changed.emit()  # the switch goes back
        else:
            self._take_autostart(answer)

    def _take_link(self, state: LinkState) -> None:
        is_connected = isinstance(state, Connected)
        if not is_connected and self._was_connected:
            self._waiting, self._sent = {}, {}
            self.is_restarting = False
            self.changed.emit()
        # Consent and problems of the file change outside this page, too: by the tray, or an editor.
        seen = (state.status.is_sharing_allowed, state.status.problems) if isinstance(state, Connected) else None
        is_news = seen is not None and seen != self._seen
        self._was_connected, self._seen = is_connected, seen
        if self._is_open and is_news and not self._sent:
            self.refresh()
        self.now_changed.emit()
