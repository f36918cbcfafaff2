"""Asks the engine which swarms this computer keeps, and has them changed: one request at a time. GUI thread."""

from __future__ import annotations

from pydantic import BaseModel
from PySide6.QtCore import QObject, Signal

from meadow_desktop.engine.link import EngineLink
from meadow_desktop.engine.watching_desk import WatchingDesk
from meadow_desktop.language import _
from meadow_desktop.swarm.membership_view import MembershipView, present_membership
from meadow_engine.api.commands import Restarting
from meadow_engine.api.errors import Problem
from meadow_engine.api.swarms import JoinSwarm, LeaveSwarm, NewSwarm, SwarmsOverview, UseSwarm

LOOK_MS = 4000
_CHANGE_MS = 10_000
_JOIN_MS = 40_000


class MembershipDesk(WatchingDesk):
    """The swarms that are kept. A change ends with `succeeded` or `refused`."""

    succeeded = Signal()
    refused = Signal(object)  # Problem

    def __init__(self, link: EngineLink, parent: QObject | None = None) -> None:
        super().__init__(link, LOOK_MS, parent)
        self._overview: SwarmsOverview | None = None
        self._is_asking = self._is_restarting = False
        self.is_busy = False
        link.changed.connect(self._take_link)

    @property
    def view(self) -> MembershipView | None:
        """What to draw; None while nothing is known."""
        return present_membership(self._overview, is_restarting=self._is_restarting)

    @property
    def can_restart(self) -> bool:
        """Whether restarting helps now."""
        return self._overview is not None and self._overview.needs_restart and not self._is_restarting

    def begin(self, name: str) -> None:
        """Make this computer the first of a swarm; an empty name lets the engine find one."""
        self._change("/api/swarms/new", NewSwarm(name=name.strip() or None))

    def join(self, invitation: str, name: str = "") -> None:
        """Use the swarm of an invitation."""
        wish = JoinSwarm(invitation=invitation.strip(), name=name.strip() or None)
        self._change("/api/swarms/join", wish, _JOIN_MS)

    def use(self, name: str) -> None:
        """Go back to a swarm that is kept."""
        self._change("/api/swarms/use", UseSwarm(name=name))

    def leave(self, name: str) -> None:
        """Forget a swarm."""
        self._change("/api/swarms/leave", LeaveSwarm(name=name))

    def restart(self) -> None:
        """Let the engine start again in the swarm that is meant; the link finds it by itself."""
        client = self.link.client
        if client is None or self.is_busy:
            return
        self._is_restarting = True
        client.send("POST", "/api/restart", None, Restarting).done.connect(self._take_restart)
        self.changed.emit()

    def _change(self, path: str, wish: BaseModel, timeout_ms: int = _CHANGE_MS) -> None:
        client = self.link.client
        if self.is_busy:
            return
        if client is None:
            self.refused.emit(_no_engine())
            return
        self.is_busy = True
        client.send("POST", path, wish, SwarmsOverview, timeout_ms).done.connect(self._take_change)
        self.changed.emit()

    def _take_change(self, result: SwarmsOverview | Problem) -> None:
        self.is_busy = False
        if isinstance(result, SwarmsOverview):
            self._overview = result
        self.changed.emit()
        if isinstance(result, Problem):
            self.refused.emit(result)
        else:
            self.succeeded.emit()

    def _take_restart(self, result: Restarting | Problem) -> None:
        if isinstance(result, Problem):
            self._is_restarting = False
            self.changed.emit()
            self.refused.emit(result)

    def _take_link(self) -> None:
        if self.status is None:
            self._overview = None
            self._is_restarting = False
            self.changed.emit()
        elif self.is_watching and self._overview is None:
            self.ask()

    def ask(self) -> None:
        """Ask which swarms are kept."""
        client = self.link.client
        if client is None or self._is_asking or self.is_busy:
            return
        self._is_asking = True
        client.get("/api/swarms", SwarmsOverview).done.connect(self._take)

    def _take(self, result: SwarmsOverview | Problem) -> None:
        """A problem is not told: the page asks for the swarm beside this, and tells of an engine that is silent."""
        self._is_asking = False
        if isinstance(result, Problem) or self.is_busy or self.status is None:
            return
        self._is_restarting = self._is_restarting and result.needs_restart
        self._overview = result
        self.changed.emit()


def _no_engine() -> Problem:
    return Problem(
        code="engine-absent",
        message=_("The engine does not answer yet"),
        advice=_("Wait a moment and try again; nothing was changed."),
    )
