"""Whether the connection to the internet costs by volume, as NetworkManager sees it.

`Metered` of org.freedesktop.NetworkManager on the system bus: 0 unknown, 1 yes, 2 no, 3 guessed yes (a phone's hotspot
says so of itself), 4 guessed no. Source: NetworkManager's D-Bus reference, NMMetered.
"""

from __future__ import annotations

import asyncio

from meadow_engine.senses.bus import Bus, BusError, Place

LIMIT_S = 1.0

_MANAGER = Place("org.freedesktop.NetworkManager", "/org/freedesktop/NetworkManager", "org.freedesktop.NetworkManager")
_MEANING = {1: True, 2: False, 3: True, 4: False}


class MeteredSense:
    """Implements `Sense[bool]`; `address` is that of the system bus."""

    name = "NetworkManager"

    def __init__(self, address: str) -> None:
        self._bus = Bus(address)

    async def read(self) -> bool | None:
        """None without a bus, without NetworkManager, or where it does not know."""
        try:
            async with asyncio.timeout(LIMIT_S):
                value = await self._bus.property(_MANAGER, "Metered")
        except (TimeoutError, BusError):
            self._bus.drop()
            return None
        return _MEANING.get(value) if isinstance(value, int) else None

    async def aclose(self) -> None:
        """Leave the bus."""
        await self._bus.aclose()
