"""Servers that leave a swarm on purpose, step by step: gates hold them up where a test wants something to happen."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import torch

from fakes.conversations import names
from fakes.span_servers import Network


class Gate:
    """Where somebody has to wait until it is opened."""

    def __init__(self) -> None:
        self._opened, self._reached = asyncio.Event(), asyncio.Event()

    async def pass_through(self) -> None:
        self._reached.set()
        await self._opened.wait()

    async def reached(self) -> None:
        async with asyncio.timeout(10):
            await self._reached.wait()

    def open(self) -> None:
        self._opened.set()


def leave(swarm: Network, *peers: str) -> Callable[[], object]:
    """They leave, and are waited for."""
    return lambda: asyncio.gather(*(swarm.leave(peer) for peer in peers))


def the_same(ours: torch.Tensor, theirs: torch.Tensor) -> None:
    """But for the order in which a kernel adds up numbers, which depends on where they lie in memory."""
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-4)


def planned(recoveries: Any) -> list[tuple[list[str], list[str], bool]]:
    return [(*names(recovery), recovery.is_planned) for recovery in recoveries]
