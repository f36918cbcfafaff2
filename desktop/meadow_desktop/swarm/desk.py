"""Asks the engine for the swarm, again and again while somebody looks at it. GUI thread."""

from __future__ import annotations

from PySide6.QtCore import QObject, QTimer, Signal

from meadow_desktop.engine.link import EngineLink
from meadow_desktop.engine.link_state import Connected
from meadow_desktop.swarm.view import SwarmView, describe_for_report, present_swarm
from meadow_engine.api.errors import Problem
from meadow_engine.api.status import EngineStatus
from meadow_engine.api.swarm import SwarmOverview

LOOK_MS = 4000


class SwarmDesk(QObject):
    """The picture of the swarm; `changed` where it is another one."""

    changed = Signal()
    trouble = Signal(object)  # Problem
    trouble_over = Signal()

    def __init__(self, link: EngineLink, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._link = link
        self._overview: SwarmOverview | None = None
        self._is_watching = self._is_asking = self._had_trouble = False
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._ask)
        link.changed.connect(self._take_link)

    @property
    def view(self) -> SwarmView:
        """What to draw now."""
        return present_swarm(self._overview, self._status)

    @property
    def report(self) -> str:
        """The same as text; empty while there is nothing to say."""
        status = self._status
        return describe_for_report(self._overview, status) if self._overview is not None and status is not None else ""

    def watch(self) -> None:
        """Somebody looks."""
        self._is_watching = True
        self._timer.start(LOOK_MS)
        self._ask()

    def rest(self) -> None:
        """Nobody looks any more."""
        self._is_watching = False
        self._timer.stop()

    @property
    def _status(self) -> EngineStatus | None:
        state = self._link.state
        return state.status if isinstance(state, Connected) else None

    def _take_link(self) -> None:
        if self._status is None:
            self._overview = None
        elif self._is_watching and self._overview is None:
            self._ask()
        if self._is_watching:
            self.changed.emit()

    def _ask(self) -> None:
        client = self._link.client
        if client is None or self._status is None or self._is_asking:
            return
        self._is_asking = True
        client.get("/api/swarm", SwarmOverview).done.connect(self._take)

    def _take(self, result: SwarmOverview | Problem) -> None:
        self._is_asking = False
        if isinstance(result, Problem):
            if self._status is not None and self._is_watching:
                self._had_trouble = True
                self.trouble.emit(result)
            return
        if self._had_trouble:
            self._had_trouble = False
            self.trouble_over.emit()
        if result != self._overview:
            self._overview = result
            self.changed.emit()
