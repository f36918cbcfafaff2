"""What the X11 and the Wayland wire have in common: a Unix socket whose bytes are taken in as they come.

Event loop only; no task of its own waits for anything. When the desktop hangs up, everything that is waited for fails.
"""

from __future__ import annotations

import asyncio
from typing import Any, TypeVar, cast

_T = TypeVar("_T")


class DesktopSocket(asyncio.Protocol):
    """The connection of one program to a desktop; `lost_error` is what its loss raises."""

    def __init__(self, lost_error: type[Exception]) -> None:
        self.is_lost = False
        self._lost_error = lost_error
        self._transport: asyncio.WriteTransport | None = None
        self._gone = asyncio.get_running_loop().create_future()
        self._waited_for: set[asyncio.Future[Any]] = set()

    def drop(self) -> None:
        """Close without waiting."""
        self.is_lost = True
        if self._transport is not None:
            self._transport.abort()

    async def aclose(self) -> None:
        """Close, and wait until the socket is closed."""
        self.drop()
        await self._gone

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_lost = True
        for each in self._waited_for:
            if not each.done():
                each.set_exception(self._lost_error("the desktop hung up"))
        if not self._gone.done():
            self._gone.set_result(None)

    def _write(self, raw: bytes) -> None:
        if self._transport is None or self.is_lost:
            raise self._lost_error("the connection is lost")
        self._transport.write(raw)

    async def _wait_for(self, future: asyncio.Future[_T]) -> _T:
        """What the future is given when its bytes come in; raises `lost_error` when they do not."""
        if self.is_lost and not future.done():
            raise self._lost_error("the connection is lost")
        self._waited_for.add(future)
        try:
            return await future
        finally:
            self._waited_for.discard(future)
