"""The swarms that a fake engine keeps: made, joined and left at once. An invitation with "unreachable" leads nowhere.

Threads: none of its own; each answer is made from values that are replaced as a whole.
"""

from __future__ import annotations

from dataclasses import dataclass

from meadow_desktop.fakes_of_engine.asked import Routes, refusal
from meadow_engine.api.swarms import (
    DEFAULT_SWARM,
    JoinSwarm,
    LeaveSwarm,
    NewSwarm,
    SwarmEntry,
    SwarmsOverview,
    UseSwarm,
)

_HERE = "meadow://join?peer=%2Fip4%2F192.0.2.7%2Ftcp%2F31337%2Fp2p%2F12D3KooWFakeEngine{name}"


@dataclass(frozen=True)
class _Kept:
    name: str
    is_own: bool
    invitation: str


class FakeSwarms:
    """The default swarm with two others in it, and what is made here. A restart puts in force what is meant."""

    def __init__(self) -> None:
        self._kept: tuple[_Kept, ...] = ()
        self._in_use = self._running = DEFAULT_SWARM

    def overview(self) -> SwarmsOverview:
        """As `GET /api/swarms` has it."""
        default = _Kept(DEFAULT_SWARM, is_own=False, invitation=_HERE.format(name=""))
        entries = [self._entry(swarm) for swarm in (default, *self._kept)]
        return SwarmsOverview(swarms=entries, needs_restart=self._in_use != self._running)

    def new(self, command: NewSwarm) -> SwarmsOverview:
        """Raises FakeRefusalError: the name is taken."""
        name = self._free_name(command.name)
        return self._use(_Kept(name, is_own=True, invitation=_HERE.format(name=len(self._kept))))

    def join(self, command: JoinSwarm) -> SwarmsOverview:
        """Raises FakeRefusalError: nobody answers, or the name is taken."""
        if "unreachable" in command.invitation:
            raise refusal("swarm-unreachable", "Nobody answers at this invitation.")
        known = next((swarm for swarm in self._kept if swarm.invitation == command.invitation), None)
        return self._use(known or _Kept(self._free_name(command.name), is_own=False, invitation=command.invitation))

    def use(self, command: UseSwarm) -> SwarmsOverview:
        """Raises FakeRefusalError: there is none of this name."""
        if command.name not in {DEFAULT_SWARM, *(swarm.name for swarm in self._kept)}:
            raise refusal("no-such-swarm", f"No swarm called {command.name} is kept here.")
        self._in_use = command.name
        return self.overview()

    def leave(self, command: LeaveSwarm) -> SwarmsOverview:
        """Raises FakeRefusalError: it is the default one, or there is none of this name."""
        if command.name not in {swarm.name for swarm in self._kept}:
            raise refusal("no-such-swarm", f"No swarm called {command.name} is kept here.")
        self._kept = tuple(swarm for swarm in self._kept if swarm.name != command.name)
        if self._in_use == command.name:
            self._in_use = DEFAULT_SWARM
        return self.overview()

    def routes(self) -> Routes:
        """Who answers what."""
        return {
            ("GET", "/api/swarms"): lambda asked: self.overview(),
            ("POST", "/api/swarms/new"): lambda asked: self.new(NewSwarm.model_validate_json(asked.body)),
            ("POST", "/api/swarms/join"): lambda asked: self.join(JoinSwarm.model_validate_json(asked.body)),
            ("POST", "/api/swarms/use"): lambda asked: self.use(UseSwarm.model_validate_json(asked.body)),
            ("POST", "/api/swarms/leave"): lambda asked: self.leave(LeaveSwarm.model_validate_json(asked.body)),
        }

    def restart(self) -> None:
        """Be in the swarm that is in use."""
        self._running = self._in_use

    def _use(self, swarm: _Kept) -> SwarmsOverview:
        if swarm not in self._kept:
            self._kept = (*self._kept, swarm)
        self._in_use = swarm.name
        return self.overview()

    def _free_name(self, wanted: str | None) -> str:
        taken = {DEFAULT_SWARM, *(swarm.name for swarm in self._kept)}
        if wanted in taken:
            raise refusal("swarm-name-taken", f"There is a swarm called {wanted} already")
        return wanted or next(name for number in range(1, 99) if (name := f"swarm-{number}") not in taken)

    def _entry(self, swarm: _Kept) -> SwarmEntry:
        is_running = swarm.name == self._running
        others = 2 if swarm.name == DEFAULT_SWARM else 0 if swarm.is_own else 5
        return SwarmEntry(
            name=swarm.name,
            is_default=swarm.name == DEFAULT_SWARM,
            is_in_use=swarm.name == self._in_use,
            is_own=swarm.is_own,
            invitation=swarm.invitation,
            computers=others if is_running else None,
        )
