"""The memory for caches, counted in pages: who holds how many, and the line of those who wait for some.

A page is the room for PAGE_TOKENS tokens of one sequence in all layers of the span. Sessions take pages as they grow
and give all of them back when they end. When none are left, an asker waits in line; after a while, the least urgent
idle sessions are moved to host memory for it (`batching/admission.py`).

Event loop only; caches themselves are the compute thread's. Priorities: 0 is the most urgent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from meadow_client.errors import MeadowError
from meadow_engine.batching.admission import Holder, choose_spills


class ServerFullError(MeadowError):
    code = "server-full"


@dataclass(frozen=True)
class PoolLimits:
    """`patience_s` bounds the wait in line; idle sessions make room for one that has waited for `spill_after_s`."""

    pages: int
    host_pages: int = 0
    patience_s: float = 60.0
    spill_after_s: float = 1.0


@dataclass(eq=False)
class Account:
    """One session's pages. `move_out` moves its cache to host memory."""

    move_out: Callable[[], Awaitable[None]]
    priority: int = 1
    pages: int = 0
    host_pages: int = 0
    is_busy: bool = False
    is_moving: bool = False
    used_at: float = 0.0


@dataclass(eq=False)
class _Asker:
    account: Account
    pages: int
    since: float
    admitted: asyncio.Event = field(default_factory=asyncio.Event)


class PagePool:
    """All pages of one span."""

    def __init__(self, limits: PoolLimits) -> None:
        self._limits = limits
        self._accounts: set[Account] = set()
        self._line: list[_Asker] = []
        self.free_pages = limits.pages
        self.free_host_pages = limits.host_pages

    @property
    def total_pages(self) -> int:
        return self._limits.pages

    @property
    def total_host_pages(self) -> int:
        return self._limits.host_pages

    @property
    def waiting(self) -> int:
        """How many sessions stand in line."""
        return len(self._line)

    @contextmanager
    def account(self, move_out: Callable[[], Awaitable[None]], priority: int = 1) -> Iterator[Account]:
        """An account whose pages are given back when the block ends."""
        account = Account(move_out, priority, used_at=_now())
        self._accounts.add(account)
        try:
            yield account
        finally:
            self._accounts.discard(account)
            self.free_host_pages += account.host_pages
            account.host_pages = 0
            self.give_back(account)

    def give_back(self, account: Account) -> None:
        """All pages that the account holds on the device."""
        self.free_pages += account.pages
        account.pages = 0
        self._admit()

    async def reserve(self, account: Account, pages: int, on_queued: Callable[[int, float], None]) -> None:
        """Let the account hold at least so many pages; `on_queued(place, patience_s)` hears of a wait.

        Raises:
            ServerFullError: it would be more than there are, or the wait was too long.
        """
        if pages > self._limits.pages:
            raise ServerFullError("This conversation is larger than all memory for conversations")
        account.used_at = _now()
        if (account.pages >= pages or not self._line) and self._take(account, pages):
            return
        asker = _Asker(account, pages, _now())
        self._line.append(asker)
        self._line.sort(key=lambda asker: asker.account.priority)
        account.is_busy = False
        try:
            on_queued(self._line.index(asker) + 1, self._limits.patience_s)
            async with asyncio.timeout(self._limits.patience_s):
                await self._wait(asker)
        except TimeoutError as error:
            raise ServerFullError("This computer has no memory left for more conversations") from error
        finally:
            self._line.remove(asker)
            self._admit()
        account.is_busy, account.used_at = True, _now()

    def moved_out(self, account: Account) -> None:
        """The account's cache is in host memory now."""
        account.host_pages += account.pages
        self.free_host_pages -= account.pages
        self.give_back(account)

    def moved_back(self, account: Account) -> None:
        """The account's cache is on the device again; its pages there were reserved before."""
        self.free_host_pages += account.host_pages
        account.host_pages = 0

    async def _wait(self, asker: _Asker) -> None:
        while not asker.admitted.is_set():
            if self._line[0] is asker and _now() - asker.since >= self._limits.spill_after_s:
                await self._make_room(asker)
            self._admit()
            try:
                async with asyncio.timeout(0.1):
                    await asker.admitted.wait()
            except TimeoutError:
                continue

    async def _make_room(self, asker: _Asker) -> None:
        now = _now()
        accounts: dict[Hashable, Account] = {
            id(account): account for account in self._accounts if account is not asker.account
        }
        # Who stands in line computes nothing, though more of its steps may have come meanwhile.
        waiting = {other.account for other in self._line if not other.admitted.is_set()}
        holders = [
            Holder(
                key,
                account.pages,
                account.priority,
                now - account.used_at,
                account.is_moving or (account.is_busy and account not in waiting),
            )
            for key, account in accounts.items()
        ]
        needed = asker.pages - asker.account.pages
        for key in choose_spills(needed, self.free_pages, self.free_host_pages, holders) or ():
            await self._move_out(accounts[key])

    async def _move_out(self, account: Account) -> None:
        """While its cache moves, an account is given nothing, so that no step of it begins."""
        is_waiting = any(asker.account is account and not asker.admitted.is_set() for asker in self._line)
        if account.is_moving or (account.is_busy and not is_waiting):
            return
        account.is_moving = True
        try:
            await account.move_out()
        finally:
            account.is_moving = False
            self._admit()

    def _admit(self) -> None:
        for asker in self._line:
            if asker.admitted.is_set():
                continue
            if not self._take(asker.account, asker.pages):
                return
            asker.admitted.set()

    def _take(self, account: Account, pages: int) -> bool:
        extra = pages - account.pages
        if account.is_moving or extra > self.free_pages:
            return False
        if extra > 0:
            self.free_pages -= extra
            account.pages = pages
        return True


def _now() -> float:
    return asyncio.get_running_loop().time()
