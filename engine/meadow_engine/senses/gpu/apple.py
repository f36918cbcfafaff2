"""Apple's graphics, from the statistics that macOS keeps in its registry of devices.

`ioreg -a` prints a property list; each accelerator has `model` and `PerformanceStatistics`. Memory is shared with the
processor, so what is free of it is what is free at all, and whose it is nobody tells. Temperatures need special rights.

Source: the manual page of ioreg, and output of other people's computers. Not run on hardware.
"""

from __future__ import annotations

import asyncio
import plistlib
from collections.abc import Awaitable, Callable
from typing import Any
from xml.parsers.expat import ExpatError

import psutil

from meadow_engine.policy.facts import GpuFacts

COMMAND = ("/usr/sbin/ioreg", "-a", "-r", "-d", "1", "-c", "IOAccelerator")
LIMIT_S = 2.0


async def run_ioreg() -> bytes | None:
    """What the command prints; None where there is none, or it takes too long."""
    try:
        process = await asyncio.create_subprocess_exec(
            *COMMAND,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except OSError:
        return None
    try:
        async with asyncio.timeout(LIMIT_S):
            printed, _ = await process.communicate()
    except TimeoutError:
        return None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return printed


class AppleGpuSense:
    """Implements `Sense[tuple[GpuFacts, ...]]`; `is_computing` as for `DriverSense`."""

    name = "macOS device registry"

    def __init__(
        self,
        is_computing: Callable[[], bool],
        *,
        ask: Callable[[], Awaitable[bytes | None]] = run_ioreg,
        memory: Callable[[], Any] = psutil.virtual_memory,
    ) -> None:
        self._is_computing = is_computing
        self._ask = ask
        self._memory = memory

    async def read(self) -> tuple[GpuFacts, ...] | None:
        """One entry for each accelerator; None where the registry gives nothing that can be read."""
        is_computing = self._is_computing()
        printed = await self._ask()
        if printed is None:
            return None
        try:
            devices = plistlib.loads(printed) if printed.strip() else []
        except (plistlib.InvalidFileException, ExpatError, ValueError):
            return None
        if not isinstance(devices, list):
            return None
        return tuple(self._facts(device, is_computing) for device in devices if isinstance(device, dict))

    async def aclose(self) -> None:
        """Nothing is kept between readings."""

    def _facts(self, device: dict[str, Any], is_computing: bool) -> GpuFacts:
        memory = self._memory()
        statistics = device.get("PerformanceStatistics")
        busy_percent = statistics.get("Device Utilization %") if isinstance(statistics, dict) else None
        return GpuFacts(
            name=_name(device.get("model")),
            total_bytes=int(memory.total),
            free_bytes=int(memory.available),
            foreign_busy=min(1.0, busy_percent / 100) if isinstance(busy_percent, int) and not is_computing else None,
        )


def _name(model: object) -> str:
    """A string on newer computers, bytes that end in zero on older ones."""
    if isinstance(model, bytes):
        model = model.rstrip(b"\0").decode(errors="replace")
    return model if isinstance(model, str) and model else "Apple graphics"
