"""`/api/computer`: what this computer has to lend."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import APIRouter

from meadow_engine.api.computer import ComputerOverview


def computer_routes(look: Callable[[], ComputerOverview]) -> APIRouter:
    """The route below /api/computer."""
    router = APIRouter(prefix="/computer")

    @router.get("")
    async def computer() -> ComputerOverview:
        """Graphics cards, and how much would be lent of them now."""
        return look()

    return router
