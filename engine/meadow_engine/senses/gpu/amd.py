"""AMD cards under Linux, from the files of the kernel's amdgpu driver.

    device folder:  mem_info_vram_total, mem_info_vram_used [bytes], gpu_busy_percent, hwmon/*/temp1_input [1/1000 °C]
    kfd:            topology/nodes/*/{gpu_id, properties}, proc/<pid>/vram_<gpu_id> [bytes] of each computing process

The driver tells the work of all programs together only, so it counts as that of others while this engine does not
compute. Reading most of these files wakes a sleeping card, so its power state is looked at first.

Source: kernel documentation, "AMDGPU driver: miscellaneous information" and `kfd_process.c`. Not run on hardware.
"""

from __future__ import annotations

from pathlib import Path

from meadow_engine.policy.facts import GpuFacts
from meadow_engine.senses.gpu.cards import PciCard, find_cards, read_line, read_number
from meadow_engine.senses.gpu.driver import DriverSense
from meadow_engine.senses.gpu.rest import CardLook
from meadow_engine.senses.machine.own_processes import own_processes


class AmdSense(DriverSense):
    """Reads the files of amdgpu."""

    name = "AMD driver (amdgpu)"
    card_name = "AMD graphics card"

    def _look(self, is_computing: bool) -> tuple[GpuFacts, ...]:
        return tuple(
            self._resting.facts_without_asking(card, is_computing) or self._ask(card, is_computing)
            for card in find_cards(self._sys_root, "amdgpu")
        )

    def _ask(self, card: PciCard, is_computing: bool) -> GpuFacts:
        total = read_number(card.folder / "mem_info_vram_total")
        used = read_number(card.folder / "mem_info_vram_used")
        own = self._own_bytes(card)
        busy_percent = read_number(card.folder / "gpu_busy_percent")
        facts = GpuFacts(
            name=read_line(card.folder / "product_name") or self.card_name,
            total_bytes=total,
            free_bytes=None if total is None or used is None else max(0, total - used),
            foreign_bytes=None if used is None or own is None else max(0, used - own),
            foreign_busy=None if busy_percent is None or is_computing else min(1.0, busy_percent / 100),
            temperature_c=_temperature(card),
        )
        self._resting.remember(card, CardLook(facts, is_unused=own == 0 and facts.foreign_busy == 0))
        return facts

    def _own_bytes(self, card: PciCard) -> int | None:
        """What this engine has on the card; None where the kernel does not tell."""
        kfd = self._sys_root / "class" / "kfd" / "kfd"
        number = _compute_number(kfd, card)
        if number is None:
            return 0  # nothing can compute on it, so we do not
        if not (kfd / "proc").is_dir():
            return None
        return sum(read_number(kfd / "proc" / str(pid) / f"vram_{number}") or 0 for pid in own_processes())


def _compute_number(kfd: Path, card: PciCard) -> int | None:
    """The number by which the compute part of the driver knows the card."""
    domain, bus, rest = card.address.split(":")
    device, function = rest.split(".")
    location = int(bus, 16) << 8 | int(device, 16) << 3 | int(function, 16)
    for node in sorted((kfd / "topology" / "nodes").glob("*")):
        lines = (line.split() for line in (read_line(node / "properties") or "").splitlines())
        properties = {words[0]: words[1] for words in lines if len(words) == 2}
        is_it = properties.get("location_id") == str(location) and int(properties.get("domain", "0")) == int(domain, 16)
        number = read_number(node / "gpu_id")
        if is_it and number:  # 0 is a processor
            return number
    return None


def _temperature(card: PciCard) -> float | None:
    for sensor in sorted((card.folder / "hwmon").glob("hwmon*")):
        thousandths = read_number(sensor / "temp1_input")
        if thousandths is not None:
            return thousandths / 1000
    return None
