"""Idle seconds from GNOME, whose compositor Mutter answers on the session bus, under Wayland and X11 alike.

A question for each reading. While the person is away one watch is set, which fires at the next input and is then spent.
Source: mutter, data/dbus-interfaces/org.gnome.Mutter.IdleMonitor.xml.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from meadow_engine.senses.bus import Bus, BusError, Place
from meadow_engine.senses.idle import NOTICED_AFTER_S, READING_LIMIT_S, ignore_return

_MONITOR = Place("org.gnome.Mutter.IdleMonitor", "/org/gnome/Mutter/IdleMonitor/Core", "org.gnome.Mutter.IdleMonitor")
_RULE = f"type='signal',interface='{_MONITOR.interface}',member='WatchFired',path='{_MONITOR.path}'"


class MutterIdle:
    """Idle seconds of all keyboards and pointers that Mutter knows."""

    name = "GNOME (Mutter) idle monitor"
    tells_return = True

    def __init__(self, address: str, on_active: Callable[[], None] = ignore_return) -> None:
        self._bus = Bus(address, self._on_signal)
        self._on_active = on_active
        self._is_listening = False
        self._watch: int | None = None
        # The Mutter that holds our watch, and our connection that it holds it for; others do not know it.
        self._held: tuple[str, int] | None = None

    async def read(self) -> float | None:
        """Seconds without input, to the millisecond."""
        try:
            async with asyncio.timeout(READING_LIMIT_S):
                answer = await self._bus.call(_MONITOR, "GetIdletime")
                if answer is None:
                    return None
                idle_s = _whole_number(answer.values) / 1000
                if idle_s >= NOTICED_AFTER_S:
                    await self._set_watch(answer.sender)
        except (TimeoutError, BusError):
            self._bus.drop()
            return None
        return idle_s

    async def aclose(self) -> None:
        """Leave the bus; Mutter then forgets the watch."""
        await self._bus.aclose()

    async def _set_watch(self, mutter: str) -> None:
        if self._held == (mutter, self._bus.times_opened):
            return
        if not self._is_listening:
            await self._bus.listen(_RULE)
            self._is_listening = True
        answer = await self._bus.call(_MONITOR, "AddUserActiveWatch")
        if answer is not None:
            self._watch, self._held = _whole_number(answer.values), (answer.sender, self._bus.times_opened)

    def _on_signal(self, member: str, values: list[Any]) -> None:
        if member == "WatchFired" and self._held is not None and values == [self._watch]:
            self._held = None
            self._on_active()


def _whole_number(values: list[Any]) -> int:
    if len(values) != 1 or not isinstance(values[0], int):
        raise BusError("Mutter answered something else than a number")
    return values[0]
