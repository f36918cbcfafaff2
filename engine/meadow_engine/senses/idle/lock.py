"""Whether the screen is locked, as desktops tell on the session bus, and what several providers say together."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from meadow_engine.senses.bus import Bus, BusError, Place
from meadow_engine.senses.idle import READING_LIMIT_S
from meadow_engine.senses.sense import Sense

_SCREEN_SAVERS = (
    Place("org.gnome.ScreenSaver", "/org/gnome/ScreenSaver", "org.gnome.ScreenSaver"),
    Place("org.freedesktop.ScreenSaver", "/org/freedesktop/ScreenSaver", "org.freedesktop.ScreenSaver"),
    Place("org.cinnamon.ScreenSaver", "/org/cinnamon/ScreenSaver", "org.cinnamon.ScreenSaver"),
    Place("org.mate.ScreenSaver", "/org/mate/ScreenSaver", "org.mate.ScreenSaver"),
    Place("org.xfce.ScreenSaver", "/org/xfce/ScreenSaver", "org.xfce.ScreenSaver"),
)


class ScreenSaverLock:
    """Whether a desktop's screen saver is shown, which with these desktops is the lock screen."""

    name = "screen saver on the session bus"

    def __init__(self, address: str) -> None:
        self._bus = Bus(address)
        self._answering: Place | None = None

    async def read(self) -> bool | None:
        """What the first screen saver that answers says. The one that did is asked first the next time."""
        order = sorted(_SCREEN_SAVERS, key=lambda place: place is not self._answering)
        try:
            async with asyncio.timeout(READING_LIMIT_S):
                for place in order:
                    answer = await self._bus.call(place, "GetActive")
                    if answer is not None and len(answer.values) == 1 and isinstance(answer.values[0], bool):
                        self._answering = place
                        return answer.values[0]
        except (TimeoutError, BusError):
            self._bus.drop()
        return None

    async def aclose(self) -> None:
        """Leave the bus."""
        await self._bus.aclose()


class AnyLock:
    """Locked when any provider says so: one that never hears of the lock says "not locked" for ever.

    `name` is that of those who answered last.
    """

    def __init__(self, senses: Sequence[Sense[bool]]) -> None:
        self._senses = senses
        self.name = "nobody"

    async def read(self) -> bool | None:
        """None only when no provider can tell. Asks one after the other: takes as long as those that hang."""
        said = [(sense.name, await sense.read()) for sense in self._senses]
        known = [(name, value) for name, value in said if value is not None]
        self.name = ", ".join(name for name, _ in known) or "nobody"
        return any(value for _, value in known) if known else None

    async def aclose(self) -> None:
        """Close them all."""
        for sense in self._senses:
            await sense.aclose()
