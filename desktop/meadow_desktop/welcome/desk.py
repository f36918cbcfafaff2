"""Puts what was chosen at the first start in force: one request after the other, none before the last click.

    settings ──► swarm ──► start at login ──► sharing ──► download, restart

Each step may be done again: whoever mends what failed and clicks once more ends where they wanted. GUI thread.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import BaseModel
from PySide6.QtCore import QObject, Signal

from meadow_desktop.chat.answering import ENGINE_SILENT
from meadow_desktop.engine.link import EngineLink
from meadow_desktop.engine.link_state import Connected
from meadow_desktop.language import _
from meadow_desktop.swarm.membership_view import retold_refusal
from meadow_desktop.welcome.choices import Choices
from meadow_engine.api.autostart import AutostartStatus, SetAutostart
from meadow_engine.api.commands import ChangeSettings, Restarting, SetSharing
from meadow_engine.api.computer import ComputerOverview
from meadow_engine.api.downloads import Download, DownloadSize, FetchModel
from meadow_engine.api.errors import Problem
from meadow_engine.api.settings_overview import SettingsOverview
from meadow_engine.api.status import EngineStatus
from meadow_engine.api.swarms import JoinSwarm, NewSwarm, SwarmsOverview

_JOIN_MS = 40_000
_NO_ENGINE = "engine-absent"
_RESTART = "/api/restart"

Step = tuple[str, str, BaseModel | None, Any, int]
"""Method, path, body, what is expected, and for how many milliseconds it is waited for."""


class WelcomeDesk(QObject):
    """What is known about this computer, and the way from choices to a running Meadow."""

    changed = Signal()
    checked = Signal()  # the model's size is known, or that there is nothing to fetch
    finished = Signal()
    trouble = Signal(object)  # Problem

    def __init__(self, link: EngineLink, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._link = link
        self.computer: ComputerOverview | None = None
        self.autostart: AutostartStatus | None = None
        self.size: DownloadSize | None = None
        self.addresses = 0
        self.is_busy = False
        self._needs_restart = False
        self._steps: list[Step] = []
        link.changed.connect(self._look)

    def look(self) -> None:
        """Ask what there is to share."""
        self._look()

    def check_model(self, model: str) -> None:
        """Ask what this model costs; `checked` or `trouble` follows."""
        self.size = None
        client = self._link.client
        if not model:
            self.checked.emit()
        elif client is None:
            self.trouble.emit(_no_engine())
        else:
            self._show_busy(True)
            client.get("/api/downloads/size", DownloadSize, model=model).done.connect(self._take_size)

    def apply(self, choices: Choices) -> None:
        """Do it all; `finished` or `trouble` follows."""
        self._needs_restart = False
        self._steps = list(_steps(choices, self.autostart, self.size))
        self._show_busy(True)
        self._go_on()

    def _look(self) -> None:
        client = self._link.client
        if client is None or not isinstance(self._link.state, Connected):
            return
        if self.computer is None:
            client.get("/api/computer", ComputerOverview).done.connect(self._keeper("computer", ComputerOverview))
            client.get("/api/autostart", AutostartStatus).done.connect(self._keeper("autostart", AutostartStatus))
            client.get("/api/settings", SettingsOverview).done.connect(self._take_settings)

    def _keeper(self, name: str, expected: type[BaseModel]) -> Callable[[object], None]:
        def keep(result: object) -> None:
            if isinstance(result, expected):
                setattr(self, name, result)
                self.changed.emit()

        return keep

    def _take_settings(self, result: SettingsOverview | Problem) -> None:
        if isinstance(result, SettingsOverview):
            peers = next((state.value for state in result.settings if state.name == "initial_peers"), [])
            self.addresses = len(peers) if isinstance(peers, list) else 0
            self.changed.emit()

    def _take_size(self, result: DownloadSize | Problem) -> None:
        self._show_busy(False)
        if isinstance(result, Problem):
            self.trouble.emit(result)
            return
        self.size = result
        self.checked.emit()

    def _go_on(self) -> None:
        if not self._steps and self._needs_restart:
            self._needs_restart = False
            self._steps.append(("POST", _RESTART, None, Restarting, 10_000))
        if not self._steps:
            self._show_busy(False)
            self.finished.emit()
            return
        client = self._link.client
        if client is None:
            self._fail(_no_engine())
            return
        method, path, body, expected, timeout_ms = self._steps[0]
        client.send(method, path, body, expected, timeout_ms).done.connect(self._take_step)

    def _take_step(self, result: object) -> None:
        if not self._steps:
            return  # given up in the meantime
        path = self._steps[0][1]
        # An engine that was asked to start again does what it should when it goes away.
        if isinstance(result, Problem) and not (path == _RESTART and result.code == ENGINE_SILENT.code):
            self._fail(result)
            return
        self._steps.pop(0)
        if path == "/api/settings" or (isinstance(result, SwarmsOverview) and result.needs_restart):
            self._needs_restart = True
        self._go_on()

    def _fail(self, problem: Problem) -> None:
        self._steps = []
        self._show_busy(False)
        self.trouble.emit(retold_refusal(problem))

    def _show_busy(self, is_busy: bool) -> None:
        self.is_busy = is_busy
        self.changed.emit()


def _steps(choices: Choices, autostart: AutostartStatus | None, size: DownloadSize | None) -> list[Step]:
    """What is to be asked of the engine, in this order: sharing is the last of what changes anything."""
    steps: list[Step] = []
    if choices.model:
        steps.append(
            ("PATCH", "/api/settings", ChangeSettings(values={"model": choices.model}), SettingsOverview, 10_000)
        )
    if choices.swarm == "new":
        beginning = NewSwarm(name=choices.swarm_name.strip() or None)
        steps.append(("POST", "/api/swarms/new", beginning, SwarmsOverview, 10_000))
    elif choices.swarm == "join":
        joining = JoinSwarm(invitation=choices.invitation.strip())
        steps.append(("POST", "/api/swarms/join", joining, SwarmsOverview, _JOIN_MS))
    if autostart is not None and autostart.is_possible and autostart.is_on != choices.starts_at_login:
        wish = SetAutostart(enabled=choices.starts_at_login)
        steps.append(("POST", "/api/autostart", wish, AutostartStatus, 10_000))
    if size is not None and size.fetch_bytes:
        steps.append(("POST", "/api/downloads", FetchModel(model=size.model), Download, 20_000))
    steps.append(("POST", "/api/sharing", SetSharing(enabled=bool(choices.shares)), EngineStatus, 10_000))
    return steps


def _no_engine() -> Problem:
    return Problem(
        code=_NO_ENGINE,
        message=_("The engine does not answer yet"),
        advice=_("Wait a moment and try again; nothing was changed."),
    )
