"""Put together the senses of this computer, whatever system it runs."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from meadow_engine.senses.collector import Senses
from meadow_engine.senses.gpu.choose import choose_gpu_sense
from meadow_engine.senses.idle import IdleSense
from meadow_engine.senses.idle.choose import Found, find_idle_sense, find_lock_sense
from meadow_engine.senses.machine.cpu import ForeignCpuSense
from meadow_engine.senses.machine.disk import FreeDiskSense
from meadow_engine.senses.machine.games import COMMON_GAMES
from meadow_engine.senses.machine.memory import FreeMemorySense
from meadow_engine.senses.machine.power import BatterySense
from meadow_engine.senses.machine.programs import ProgramsSense
from meadow_engine.senses.machine.screen import choose_full_screen_sense
from meadow_engine.senses.machine.temperature import ProcessorTemperatureSense
from meadow_engine.senses.sense import Sense
from meadow_engine.senses.whoever import WhoeverTells


class WhoeverTellsIdle(WhoeverTells[float]):
    """Idle seconds from the provider that answers."""

    def __init__(
        self, find: Callable[[], Awaitable[Found[IdleSense]]], clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__("idle time", find, clock)


async def find_senses(
    *,
    programs: Callable[[], Sequence[str]],
    folder: Path,
    is_computing: Callable[[], bool],
    on_active: Callable[[], None],
    environment: Mapping[str, str] = os.environ,
    platform: str = sys.platform,
) -> tuple[Senses, WhoeverTellsIdle]:
    """All senses, and the one that tells idle time, which knows advice.

    `programs` are those of the person's list, `folder` lies on the disk whose room counts; `is_computing` says
    whether this engine keeps the device busy, `on_active` hears at once that the person is back, where that is known.
    """
    idle = WhoeverTellsIdle(lambda: find_idle_sense(on_active, environment, platform))
    senses: dict[str, Sense[Any]] = {
        "idle_s": idle,
        "is_locked": WhoeverTells("whether the screen is locked", lambda: find_lock_sense(environment, platform)),
        "gpus": choose_gpu_sense(is_computing, platform=platform),
        "foreign_cpu": ForeignCpuSense(),
        "programs": ProgramsSense(lambda: [*COMMON_GAMES, *programs()]),
        "is_on_battery": BatterySense(),
        "free_memory_bytes": FreeMemorySense(),
        "free_disk_bytes": FreeDiskSense(folder),
    }
    if platform == "linux":
        # dbus-fast is installed on Linux only.
        from meadow_engine.senses.bus import system_bus_address
        from meadow_engine.senses.machine.network import MeteredSense

        if (system_bus := system_bus_address(environment)) is not None:
            senses["is_metered"] = MeteredSense(system_bus)
        senses["cpu_temperature_c"] = ProcessorTemperatureSense()
        if (screen := choose_full_screen_sense(environment)) is not None:
            senses["is_full_screen"] = screen
    return Senses(senses, time.monotonic), idle
