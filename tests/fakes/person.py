"""What a test waits for when the person at the computer is to come back."""

from __future__ import annotations

import asyncio
import time


class Returned:
    """Takes the place of an `on_active`: remembers when it was called."""

    def __init__(self) -> None:
        self._times: asyncio.Queue[float] = asyncio.Queue()

    def note(self) -> None:
        """The person is back."""
        self._times.put_nowait(time.monotonic())

    async def next(self, timeout_s: float = 5.0) -> float:
        """When it happened, on the monotonic clock; one after the other."""
        async with asyncio.timeout(timeout_s):
            return await self._times.get()

    @property
    def is_quiet(self) -> bool:
        """Nothing happened that was not asked for."""
        return self._times.empty()
