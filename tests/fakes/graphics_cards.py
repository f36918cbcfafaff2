"""A folder that stands for `/sys`, with graphics cards in it."""

from __future__ import annotations

from pathlib import Path

AMD_NUMBER = 4711
"""By which the compute part of AMD's driver knows the card."""


def add_card(sys_root: Path, driver: str, address: str = "0000:01:00.0", *, may_sleep: bool = False) -> Path:
    """Gives the card's folder; it is awake."""
    folder = sys_root / "bus" / "pci" / "devices" / address
    (folder / "power").mkdir(parents=True)
    (sys_root / "bus" / "pci" / "drivers" / driver).mkdir(parents=True, exist_ok=True)
    (folder / "driver").symlink_to(sys_root / "bus" / "pci" / "drivers" / driver)
    (folder / "power" / "control").write_text("auto\n" if may_sleep else "on\n")
    set_asleep(folder, False)
    return folder


def set_asleep(folder: Path, is_asleep: bool) -> None:
    """The system switches the card off or on."""
    (folder / "power" / "runtime_status").write_text("suspended\n" if is_asleep else "active\n")


def add_amd_card(sys_root: Path, *, may_sleep: bool = False) -> Path:
    """A card of 16 GB with 2 GB in use, a quarter busy, at 61.5 °C."""
    folder = add_card(sys_root, "amdgpu", "0000:03:00.0", may_sleep=may_sleep)
    (folder / "hwmon" / "hwmon4").mkdir(parents=True)
    (folder / "hwmon" / "hwmon4" / "temp1_input").write_text("61500\n")
    (folder / "mem_info_vram_total").write_text("16000000000\n")
    (folder / "mem_info_vram_used").write_text("2000000000\n")
    (folder / "gpu_busy_percent").write_text("25\n")
    (folder / "product_name").write_text("FAKE RADEON\n")
    for node, number, location in (("0", 0, 0), ("1", AMD_NUMBER, 3 << 8)):
        place = sys_root / "class" / "kfd" / "kfd" / "topology" / "nodes" / node
        place.mkdir(parents=True)
        (place / "gpu_id").write_text(f"{number}\n")
        (place / "properties").write_text(f"cpu_cores_count 0\nlocation_id {location}\ndomain 0\n")
    (sys_root / "class" / "kfd" / "kfd" / "proc").mkdir()
    return folder


def put_on_amd_card(sys_root: Path, pid: int, used_bytes: int) -> None:
    """A process computes there, with so much of the card's memory."""
    place = sys_root / "class" / "kfd" / "kfd" / "proc" / str(pid)
    place.mkdir(exist_ok=True)
    (place / f"vram_{AMD_NUMBER}").write_text(f"{used_bytes}\n")
