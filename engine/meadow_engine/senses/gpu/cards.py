"""Graphics cards as Linux lists them, found without asking their drivers: reading these files wakes no card."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class PciCard:
    """One card; `folder` is its folder under `/sys/bus/pci/devices`."""

    address: str
    folder: Path

    def is_asleep(self) -> bool:
        """It is switched off until somebody uses it; most questions would switch it on."""
        return read_line(self.folder / "power" / "runtime_status") in ("suspended", "suspending")

    def may_sleep(self) -> bool:
        """The system switches it off when nobody uses it, as laptops do."""
        return read_line(self.folder / "power" / "control") == "auto"


def find_cards(sys_root: Path, driver: str) -> tuple[PciCard, ...]:
    """The cards that this kernel driver runs, in the order of their addresses.

    CUDA counts in the same order when CUDA_DEVICE_ORDER is PCI_BUS_ID. A card that was given to a virtual machine has
    another driver and is not listed.
    """
    try:
        folders = sorted((sys_root / "bus" / "pci" / "devices").iterdir())
    except OSError:
        return ()
    return tuple(PciCard(folder.name, folder) for folder in folders if _driver_of(folder) == driver)


def read_line(path: Path) -> str | None:
    """A one-line file of the kernel's; None where it is missing or refuses."""
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return None


def read_number(path: Path) -> int | None:
    """A number from a file of the kernel's; None where it is missing, refuses, or holds something else."""
    line = read_line(path)
    try:
        return int(line) if line is not None else None
    except ValueError:
        return None


def _driver_of(folder: Path) -> str | None:
    try:
        return (folder / "driver").readlink().name
    except OSError:
        return None
