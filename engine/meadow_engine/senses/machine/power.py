"""Battery or mains. Asked in a thread: some batteries take a good part of a second to answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psutil

from meadow_engine.senses.machine.bounded import BoundedCalls


def read_battery() -> Any:
    """psutil's battery; None where there is none or the system has no word for it."""
    ask = getattr(psutil, "sensors_battery", None)
    try:
        return ask() if ask is not None else None
    except (OSError, ValueError, RuntimeError):  # files of the kernel that come and go with the plug
        return None


class BatterySense:
    """Implements `Sense[bool]`: True while the computer lives on its battery."""

    name = "battery"

    def __init__(self, read_battery: Callable[[], Any] = read_battery, *, limit_s: float = 1.5) -> None:
        self._read_battery = read_battery
        self._calls: BoundedCalls[bool | None] = BoundedCalls("battery", limit_s)

    async def read(self) -> bool | None:
        """A computer without a battery is on the mains; None where there is one and the plug is not known."""
        return await self._calls.run(self._look)

    async def aclose(self) -> None:
        """Nothing is open."""

    def _look(self) -> bool | None:
        battery = self._read_battery()
        if battery is None:
            return False
        return None if battery.power_plugged is None else not battery.power_plugged
