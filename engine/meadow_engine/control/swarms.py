"""`/api/swarms`: which swarms this computer keeps, and which one it uses."""

from __future__ import annotations

from typing import Protocol

from fastapi import APIRouter

from meadow_engine.api.swarms import JoinSwarm, LeaveSwarm, NewSwarm, SwarmsOverview, UseSwarm


class KeepsSwarms(Protocol):
    """What these routes need; `meadow_engine.swarms.Swarms` is one."""

    async def overview(self) -> SwarmsOverview: ...

    async def new(self, name: str | None) -> SwarmsOverview: ...

    async def join(self, invitation: str, name: str | None) -> SwarmsOverview: ...

    async def use(self, name: str) -> SwarmsOverview: ...

    async def leave(self, name: str) -> SwarmsOverview: ...


def swarm_routes(swarms: KeepsSwarms) -> APIRouter:
    """The routes below /api/swarms."""
    router = APIRouter(prefix="/swarms")

    @router.get("")
    async def overview() -> SwarmsOverview:
        """All swarms that are kept, and the one in use."""
        return await swarms.overview()

    @router.post("/new")
    async def new(command: NewSwarm) -> SwarmsOverview:
        """Make this computer the first of a swarm."""
        return await swarms.new(command.name)

    @router.post("/join")
    async def join(command: JoinSwarm) -> SwarmsOverview:
        """Use the swarm of an invitation from now on."""
        return await swarms.join(command.invitation, command.name)

    @router.post("/use")
    async def use(command: UseSwarm) -> SwarmsOverview:
        """Go back to a swarm that is kept."""
        return await swarms.use(command.name)

    @router.post("/leave")
    async def leave(command: LeaveSwarm) -> SwarmsOverview:
        """Forget a swarm."""
        return await swarms.leave(command.name)

    return router
