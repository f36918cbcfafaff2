"""The memory of one session's cache: reserved before a step runs, moved to host memory and back.

Runs on the event loop; whatever touches the cache itself runs on the compute thread, between two passes. The pool says
how many pages there are and who stands in line for them, the state where the cache lies.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from meadow_engine.runtime.batcher import Batcher
from meadow_engine.runtime.pool import Account, PagePool
from meadow_engine.runtime.requests import SessionState


@dataclass(eq=False)
class SessionMemory:
    """`on_queued` hears the session's place in line, and how many seconds it may stand there."""

    state: SessionState
    batcher: Batcher
    pool: PagePool
    account: Account
    on_queued: Callable[[int, float], None]

    async def reserve(self, rows: int, position: int, tokens: int) -> None:
        """Have room on the device for so many new tokens of so many rows behind a position; at 0, all begins anew.

        Raises:
            ServerFullError: it would be more than there is, or the session stood in line for too long.
        """
        if position == 0 and (self.account.pages or self.account.host_pages):
            await self.batcher.run_alone(self.state.drop_cache)
            self.pool.moved_back(self.account)
            self.pool.give_back(self.account)
            self.state.is_away = False
        # A cache that moves out while this session stands in line grows from less, and may need more afterwards.
        pages = -1
        while (needed := self.state.pages_for(rows, position, tokens)) != pages:
            pages = needed
            await self.pool.reserve(self.account, pages, self.on_queued)
        if self.state.is_away:
            await self.batcher.run_alone(self.state.move_back)
            self.pool.moved_back(self.account)

    async def move_out(self) -> None:
        """Move the cache to host memory, and give its pages back."""
        await self.batcher.run_alone(self.state.move_out)
        self.pool.moved_out(self.account)
