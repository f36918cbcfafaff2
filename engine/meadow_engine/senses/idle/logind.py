"""What systemd's login manager has been told by the desktop: whether the session is idle, since when, and locked.

Rough, and the last thing to ask for idle seconds: a desktop reports idleness only after its own delay (5 minutes in
many), counts from then on, and some never do. The error is always towards "somebody is here".

Source: man org.freedesktop.login1(5).
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from typing import Any

from meadow_engine.senses.bus import Bus, BusError, Place
from meadow_engine.senses.idle import READING_LIMIT_S

_LOGIND = "org.freedesktop.login1"
_MANAGER = Place(_LOGIND, "/org/freedesktop/login1", "org.freedesktop.login1.Manager")
_MICROSECONDS = 1e6


class _OwnSession:
    """The properties of this person's session at the computer itself."""

    def __init__(self, address: str, user_id: int) -> None:
        self._bus = Bus(address)
        self._user_id = user_id

    async def properties(self) -> dict[str, Any]:
        """Empty when nobody can tell, or the person is logged in from elsewhere or not at all."""
        try:
            async with asyncio.timeout(READING_LIMIT_S):
                return await self._ask()
        except (TimeoutError, BusError):
            self._bus.drop()
            return {}

    async def _ask(self) -> dict[str, Any]:
        user = await self._bus.call(_MANAGER, "GetUser", "u", self._user_id)
        if user is None or not user.values:
            return {}
        about = await self._bus.properties(Place(_LOGIND, user.values[0], "org.freedesktop.login1.User"))
        session, path = about.get("Display") or ("", "")
        if not session:
            return {}
        found = await self._bus.properties(Place(_LOGIND, path, "org.freedesktop.login1.Session"))
        seat, _ = found.get("Seat") or ("", "")
        return found if seat and not found.get("Remote", False) else {}

    async def aclose(self) -> None:
        await self._bus.aclose()


class LogindIdle:
    """Idle seconds as far as the session's idle hint tells them."""

    name = "login manager's idle hint"
    tells_return = False

    def __init__(
        self,
        address: str,
        user_id: int | None = None,
        clock: Callable[[], float] = time.monotonic,  # on Linux the clock that logind's monotonic times are of
    ) -> None:
        self._session = _OwnSession(address, os.getuid() if user_id is None else user_id)
        self._clock = clock

    async def read(self) -> float | None:
        """Seconds since the desktop called itself idle; 0 while it does not."""
        found = await self._session.properties()
        match found.get("IdleHint"), found.get("IdleSinceHintMonotonic"):
            case False, _:
                return 0.0
            case True, int(since_us):
                return max(0.0, self._clock() - since_us / _MICROSECONDS)
            case _:
                return None

    async def aclose(self) -> None:
        """Leave the bus."""
        await self._session.aclose()


class LogindLock:
    """Whether the desktop has told the login manager that its screen is locked."""

    name = "login manager's locked hint"

    def __init__(self, address: str, user_id: int | None = None) -> None:
        self._session = _OwnSession(address, os.getuid() if user_id is None else user_id)

    async def read(self) -> bool | None:
        """True while locked. False also where the desktop never tells (Sway)."""
        hint = (await self._session.properties()).get("LockedHint")
        return hint if isinstance(hint, bool) else None

    async def aclose(self) -> None:
        """Leave the bus."""
        await self._session.aclose()
