"""Asks the engine for the swarm, again and again while somebody looks at it. GUI thread."""

from __future__ import annotations

from PySide6.QtCore import QObject

from meadow_desktop.engine.link import EngineLink
from meadow_desktop.engine.watching_desk import WatchingDesk
from meadow_desktop.swarm.view import SwarmView, describe_for_report, present_swarm
from meadow_engine.api.errors import Problem
from meadow_engine.api.swarm import SwarmOverview

LOOK_MS = 4000


class SwarmDesk(WatchingDesk):
    """The picture of the swarm; `changed` where it is another one."""

    def __init__(self, link: EngineLink, parent: QObject | None = None) -> None:
        super().__init__(link, LOOK_MS, parent)
        self._overview: SwarmOverview | None = None
        self._is_asking = False
        link.changed.connect(self._take_link)

    @property
    def view(self) -> SwarmView:
        """What to draw now."""
        return present_swarm(self._overview, self.status)

    @property
    def report(self) -> str:
        """The same as text; empty while there is nothing to say."""
        status = self.status
        return describe_for_report(self._overview, status) if self._overview is not None and status is not None else ""

    def _take_link(self) -> None:
        if self.status is None:
            self._overview = None
        elif self.is_watching and self._overview is None:
            self.ask()
        if self.is_watching:
            self.changed.emit()

    def ask(self) -> None:
        """Ask who holds what."""
        client = self.link.client
        if client is None or self.status is None or self._is_asking:
            return
        self._is_asking = True
        client.get("/api/swarm", SwarmOverview).done.connect(self._take)

    def _take(self, result: SwarmOverview | Problem) -> None:
        self._is_asking = False
        if isinstance(result, Problem):
            self.tell_trouble(result)
            return
        self.tell_over()
        if result != self._overview:
            self._overview = result
            self.changed.emit()
