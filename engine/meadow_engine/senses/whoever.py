"""One fact from whichever provider answers here, found again when nobody does.

An engine may start before anybody has logged in, and a desktop may be restarted.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from meadow_engine.senses.idle.choose import Found
from meadow_engine.senses.sense import Sense

FIND_AGAIN_S = 30.0
SILENT_S = 10.0

_T = TypeVar("_T")


class WhoeverTells(Generic[_T]):
    """Implements `Sense[_T]`. `fact` is what nobody tells, in words; `find` looks for a provider and raises nothing.

    Looks at the first reading, then every `FIND_AGAIN_S` while there is none. A provider that has said None for
    `SILENT_S` is closed and looked for again.
    """

    def __init__(
        self,
        fact: str,
        find: Callable[[], Awaitable[Found[Sense[_T]]]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fact = fact
        self._find = find
        self._clock = clock
        self._found: Found[Sense[_T]] = Found(None)
        self._looked_s = float("-inf")
        self._heard_s = float("-inf")

    @property
    def name(self) -> str:
        return self._found.sense.name if self._found.sense is not None else f"nobody who tells {self._fact}"

    @property
    def advice(self) -> str:
        """What the person should know or do; empty if nothing."""
        return self._found.advice

    async def read(self) -> _T | None:
        """What the provider says; None also while there is none."""
        now_s = self._clock()
        if self._found.sense is None and now_s - self._looked_s >= FIND_AGAIN_S:
            self._looked_s = self._heard_s = now_s
            self._found = await self._find()
        if self._found.sense is None:
            return None
        if (value := await self._found.sense.read()) is not None:
            self._heard_s = now_s
        elif now_s - self._heard_s >= SILENT_S:
            await self.aclose()
        return value

    async def aclose(self) -> None:
        """Let go of the provider."""
        if self._found.sense is not None:
            await self._found.sense.aclose()
        self._found = Found(None, self._found.advice)
