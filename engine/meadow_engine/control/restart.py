"""`POST /api/restart`: the engine starts again in its own process, with the swarm and settings of now."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import APIRouter

from meadow_engine.api.commands import Restarting


def restart_routes(ask: Callable[[], None]) -> APIRouter:
    """The route; `ask` only notes the wish, so that the answer still goes out."""
    router = APIRouter(prefix="/restart")

    @router.post("")
    async def restart() -> Restarting:
        """Leave the swarm and start again; `engine.json` says where the engine is reached then."""
        ask()
        return Restarting()

    return router
