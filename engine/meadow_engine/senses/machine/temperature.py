"""How hot the processor is, from the files of the Linux kernel.

Read here rather than through psutil, which reads every sensor there is: those of graphics cards and disks would wake
what sleeps. Other systems tell temperatures only to programs with special rights.
"""

from __future__ import annotations

from pathlib import Path

PROCESSOR_CHIPS = frozenset({"coretemp", "k10temp", "k8temp", "zenpower", "cpu_thermal", "soc_thermal", "scpi_sensors"})
PROCESSOR_ZONES = frozenset({"x86_pkg_temp", "cpu-thermal", "cpu_thermal", "soc-thermal", "soc_thermal"})


class ProcessorTemperatureSense:
    """Implements `Sense[float]`: degrees Celsius of the hottest part of the processor."""

    name = "processor temperature"

    def __init__(self, *, sys_root: Path = Path("/sys")) -> None:
        self._sys_root = sys_root

    async def read(self) -> float | None:
        """From the processor's own sensors, else from the zone the kernel cools by; None where there is neither."""
        chips = sorted((self._sys_root / "class" / "hwmon").glob("hwmon*"))
        files = [file for chip in chips if _word(chip / "name") in PROCESSOR_CHIPS for file in chip.glob("temp*_input")]
        if not files:
            zones = sorted((self._sys_root / "class" / "thermal").glob("thermal_zone*"))
            files = [zone / "temp" for zone in zones if _word(zone / "type") in PROCESSOR_ZONES]
        measured = [degrees for degrees in map(_degrees, files) if degrees is not None]
        return max(measured, default=None)

    async def aclose(self) -> None:
        """Nothing is open."""


def _word(path: Path) -> str | None:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return None


def _degrees(path: Path) -> float | None:
    try:
        return int(path.read_text()) / 1000
    except (OSError, ValueError):
        return None
