"""Battery, heat, disk and memory."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from meadow_engine.senses.machine.disk import FreeDiskSense
from meadow_engine.senses.machine.memory import FreeMemorySense
from meadow_engine.senses.machine.power import BatterySense
from meadow_engine.senses.machine.temperature import ProcessorTemperatureSense

MIB = 1 << 20


@pytest.mark.parametrize(("plugged", "is_on_battery"), [(True, False), (False, True), (None, None)])
async def test_the_plug_decides(plugged: bool | None, is_on_battery: bool | None) -> None:
    battery = SimpleNamespace(power_plugged=plugged, percent=80)
    assert await BatterySense(lambda: battery).read() is is_on_battery


async def test_a_computer_without_a_battery_is_on_the_mains(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await BatterySense(lambda: None).read() is False
    monkeypatch.delattr(psutil, "sensors_battery")
    assert await BatterySense().read() is False


def add_sensor(sys_root: Path, place: str, name: str, *thousandths: str) -> None:
    folder = sys_root / "class" / place
    folder.mkdir(parents=True)
    is_zone = "thermal_zone" in place
    (folder / ("type" if is_zone else "name")).write_text(f"{name}\n")
    for number, value in enumerate(thousandths, start=1):
        (folder / ("temp" if is_zone else f"temp{number}_input")).write_text(f"{value}\n")


async def test_the_hottest_part_of_the_processor_counts(tmp_path: Path) -> None:
    add_sensor(tmp_path, "hwmon/hwmon0", "coretemp", "61000", "84500", "70000")
    add_sensor(tmp_path, "hwmon/hwmon1", "nvme", "99000")
    add_sensor(tmp_path, "thermal/thermal_zone0", "x86_pkg_temp", "90000")
    assert await ProcessorTemperatureSense(sys_root=tmp_path).read() == 84.5


async def test_sensors_of_what_may_sleep_are_not_even_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_sensor(tmp_path, "hwmon/hwmon0", "k10temp", "50000")
    add_sensor(tmp_path, "hwmon/hwmon1", "amdgpu", "40000")
    opened: list[str] = []
    read_text = Path.read_text

    def read_and_note(path: Path, *arguments: str, **named: str) -> str:
        opened.append(str(path.relative_to(tmp_path / "class" / "hwmon")))
        return read_text(path, *arguments, **named)

    monkeypatch.setattr(Path, "read_text", read_and_note)
    assert await ProcessorTemperatureSense(sys_root=tmp_path).read() == 50
    assert sorted(opened) == ["hwmon0/name", "hwmon0/temp1_input", "hwmon1/name"]


async def test_a_board_without_such_sensors_is_known_by_its_zones(tmp_path: Path) -> None:
    add_sensor(tmp_path, "thermal/thermal_zone0", "acpitz", "27800")
    add_sensor(tmp_path, "thermal/thermal_zone1", "cpu-thermal", "66000")
    assert await ProcessorTemperatureSense(sys_root=tmp_path).read() == 66


async def test_sensors_that_are_missing_or_broken_are_unknown(tmp_path: Path) -> None:
    assert await ProcessorTemperatureSense(sys_root=tmp_path).read() is None
    add_sensor(tmp_path, "hwmon/hwmon0", "coretemp", "broken")
    assert await ProcessorTemperatureSense(sys_root=tmp_path).read() is None


async def test_room_on_the_disk_is_that_of_the_folder_or_of_the_nearest_one_above(tmp_path: Path) -> None:
    truth = shutil.disk_usage(tmp_path).free
    for folder in (tmp_path, tmp_path / "not" / "made" / "yet"):
        free = await FreeDiskSense(folder).read()
        assert free is not None
        assert abs(free - truth) < 2048 * MIB  # others write here too
        assert free > 0


async def test_a_disk_that_cannot_be_asked_is_unknown(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert await FreeDiskSense(tmp_path / "file" / "below").read() is None


async def test_free_memory_is_less_than_there_is_and_more_than_nothing() -> None:
    free = await FreeMemorySense().read()
    assert free is not None
    assert MIB < free < psutil.virtual_memory().total
