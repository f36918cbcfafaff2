"""NVIDIA cards through the real binding, in a program of its own that loads a fake driver library."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fakes.graphics_cards import add_card, set_asleep
from fakes.nvml_library import GIB, NAME, FakeGpu, FakeGpuProcess, FakeNvml, missing_compiler

pytestmark = pytest.mark.skipif(missing_compiler() is not None, reason=str(missing_compiler()))

PROGRAM = Path(__file__).parents[4] / "fakes" / "gpu_sense_program.py"
SOMEBODY = os.getpid()
"""A process that the program has not started: this one, which started it."""
NOBODY = 4_000_000
FIRST, SECOND = "0000:01:00.0", "0000:41:00.0"


@dataclass
class Reader:
    """The program, and the driver that it sees."""

    nvml: FakeNvml
    process: subprocess.Popen[str]

    @property
    def pid(self) -> int:
        return self.process.pid

    def ask(self, own_work: str = "idle") -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{own_work}\n")
        self.process.stdin.flush()
        return dict(json.loads(self.process.stdout.readline()))

    def gpus(self, own_work: str = "idle") -> list[dict[str, Any]]:
        return list(self.ask(own_work)["gpus"])

    def gpu(self, own_work: str = "idle") -> dict[str, Any]:
        (only,) = self.gpus(own_work)
        return only


@pytest.fixture(scope="module")
def nvml(tmp_path_factory: pytest.TempPathFactory) -> FakeNvml:
    return FakeNvml(tmp_path_factory.mktemp("nvml"))


@pytest.fixture
def reader(nvml: FakeNvml, tmp_path: Path) -> Iterator[Reader]:
    nvml.set()
    process = subprocess.Popen(
        [sys.executable, str(PROGRAM), str(tmp_path / "sys"), "0.5"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=nvml.environment(),
    )
    with process:
        yield Reader(nvml, process)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(20) == 0


def test_a_free_card_is_told_as_it_is(reader: Reader) -> None:
    assert reader.gpu() == {
        "name": NAME,
        "total_bytes": 8 * GIB,
        "free_bytes": 8 * GIB,
        "foreign_bytes": 0,
        "foreign_busy": 0.0,
        "temperature_c": 40.0,
        "is_asleep": False,
    }


def test_another_program_is_seen_as_soon_as_it_appears(reader: Reader) -> None:
    assert reader.gpu()["foreign_bytes"] == 0
    reader.nvml.set([FakeGpu(free_bytes=7 * GIB, busy_percent=4)], [FakeGpuProcess(SOMEBODY, kind="g", busy_percent=4)])
    appeared = reader.gpu()
    assert (appeared["foreign_bytes"], appeared["foreign_busy"]) == (GIB, 0.04)


def test_memory_that_others_fill_is_told_apart_from_our_own(reader: Reader) -> None:
    full = FakeGpu(free_bytes=GIB // 2)
    reader.nvml.set([full], [FakeGpuProcess(reader.pid, 3 * GIB), FakeGpuProcess(SOMEBODY, 4 * GIB)])
    facts = reader.gpu()
    assert (facts["foreign_bytes"], facts["free_bytes"]) == (4 * GIB, GIB // 2)


def test_a_program_that_draws_and_computes_is_counted_once(reader: Reader) -> None:
    both = [FakeGpuProcess(SOMEBODY, 2 * GIB, kind=kind) for kind in "cg"]
    reader.nvml.set([FakeGpu()], both)
    assert reader.gpu()["foreign_bytes"] == 2 * GIB


def test_our_own_work_is_not_that_of_others(reader: Reader) -> None:
    busy = FakeGpu(busy_percent=99)
    reader.nvml.set([busy], [FakeGpuProcess(reader.pid, busy_percent=70), FakeGpuProcess(SOMEBODY, busy_percent=20)])
    assert reader.gpu("computing")["foreign_busy"] == 0.2


def test_where_the_driver_does_not_tell_whose_work_it_is_all_of_it_counts_while_we_rest(reader: Reader) -> None:
    reader.nvml.set([FakeGpu(busy_percent=85, tells_work=False)])
    assert reader.gpu("idle")["foreign_busy"] == 0.85
    assert reader.gpu("computing")["foreign_busy"] is None


def test_work_without_a_worker_is_not_taken_for_idleness(reader: Reader) -> None:
    reader.nvml.set([FakeGpu(busy_percent=85)])
    assert reader.gpu("idle")["foreign_busy"] == 0.85
    assert reader.gpu("computing")["foreign_busy"] is None


def test_samples_of_nonsense_are_not_believed(reader: Reader) -> None:
    reader.nvml.set([FakeGpu(busy_percent=3)], [FakeGpuProcess(SOMEBODY, busy_percent=1_000_000)])
    assert reader.gpu()["foreign_busy"] == 0.03


def test_memory_that_the_system_keeps_to_itself_is_unknown_and_not_zero(reader: Reader) -> None:
    reader.nvml.set([FakeGpu(free_bytes=GIB)], [FakeGpuProcess(SOMEBODY, None)])
    facts = reader.gpu()
    assert (facts["foreign_bytes"], facts["free_bytes"]) == (None, GIB)


def test_processes_of_another_world_are_neither_ours_nor_foreign(reader: Reader) -> None:
    # In a container the driver gives the host's numbers, by which we do not even know ourselves.
    reader.nvml.set([FakeGpu(busy_percent=50)], [FakeGpuProcess(NOBODY, busy_percent=50)])
    facts = reader.gpu("computing")
    assert (facts["foreign_bytes"], facts["foreign_busy"]) == (None, None)
    assert reader.gpu("idle")["foreign_busy"] == 0.5


def test_heat_is_told(reader: Reader) -> None:
    reader.nvml.set([FakeGpu(temperature_c=91)])
    assert reader.gpu()["temperature_c"] == 91.0


def test_of_two_cards_the_busy_one_is_known(reader: Reader) -> None:
    cards = [FakeGpu(FIRST), FakeGpu(SECOND, free_bytes=2 * GIB, busy_percent=97)]
    reader.nvml.set(cards, [FakeGpuProcess(SOMEBODY, 6 * GIB, gpu=1, kind="g", busy_percent=97)])
    first, second = reader.gpus()
    assert (first["foreign_bytes"], first["foreign_busy"]) == (0, 0.0)
    assert (second["foreign_bytes"], second["foreign_busy"]) == (6 * GIB, 0.97)


def test_a_driver_that_vanishes_means_no_cards_until_it_is_back(reader: Reader) -> None:
    assert len(reader.gpus()) == 1
    reader.nvml.set(has_driver=False)
    assert reader.gpus() == []
    reader.nvml.set()
    assert len(reader.gpus()) == 1


def test_a_card_that_fell_off_the_bus_does_not_hide_the_other_one(reader: Reader) -> None:
    reader.nvml.set([FakeGpu(FIRST, is_there=False), FakeGpu(SECOND, temperature_c=55)])
    assert [each["temperature_c"] for each in reader.gpus()] == [55.0]


def test_a_driver_that_hangs_is_not_waited_for_and_is_asked_again_when_it_is_well(reader: Reader) -> None:
    reader.nvml.set(hang_ms=1500)
    before = len(reader.nvml.asked())
    answers = [reader.ask(), reader.ask()]
    assert [each["gpus"] for each in answers] == [None, None]
    assert sum(each["took_s"] for each in answers) < 1.4  # the second one does not queue behind the first one
    assert reader.nvml.asked()[before:] == ["open"]  # no second thread is sent after the one that is stuck
    reader.nvml.set()
    deadline_s = time.monotonic() + 10
    while reader.ask()["gpus"] is None:
        assert time.monotonic() < deadline_s
        time.sleep(0.1)


def test_no_handle_stays_open_between_readings(reader: Reader) -> None:
    before = len(reader.nvml.asked())
    reader.gpu()
    reader.gpu()
    assert reader.nvml.asked()[before:] == ["open", f"card {FIRST}", "close"] * 2


def test_a_sleeping_card_is_not_woken_to_be_asked(reader: Reader, tmp_path: Path) -> None:
    set_asleep(add_card(tmp_path / "sys", "nvidia", may_sleep=True), True)
    before = len(reader.nvml.asked())
    facts = reader.gpu()
    assert (facts["is_asleep"], facts["foreign_bytes"], facts["foreign_busy"]) == (True, None, None)
    assert reader.nvml.asked()[before:] == []


def test_a_card_that_woke_up_is_asked_and_its_sleeping_neighbour_is_not(reader: Reader, tmp_path: Path) -> None:
    reader.nvml.set([FakeGpu(FIRST), FakeGpu(SECOND, temperature_c=66)])
    set_asleep(add_card(tmp_path / "sys", "nvidia", FIRST, may_sleep=True), True)
    add_card(tmp_path / "sys", "nvidia", SECOND)
    before = len(reader.nvml.asked())
    sleeping, awake = reader.gpus()
    assert (sleeping["is_asleep"], awake["is_asleep"], awake["temperature_c"]) == (True, False, 66.0)
    assert reader.nvml.asked()[before:] == ["open", f"card {SECOND}", "close"]


def test_an_unused_card_that_may_sleep_is_left_alone_so_that_it_can(reader: Reader, tmp_path: Path) -> None:
    add_card(tmp_path / "sys", "nvidia", may_sleep=True)
    reader.gpu()
    before = len(reader.nvml.asked())
    assert reader.gpu()["foreign_busy"] == 0.0
    assert reader.nvml.asked()[before:] == []
    reader.gpu("computing")
    assert "open" in reader.nvml.asked()[before:]


def test_a_card_that_may_sleep_is_asked_every_time_while_we_have_something_on_it(
    reader: Reader, tmp_path: Path
) -> None:
    add_card(tmp_path / "sys", "nvidia", may_sleep=True)
    reader.nvml.set([FakeGpu()], [FakeGpuProcess(reader.pid)])
    reader.gpu()
    reader.nvml.set([FakeGpu()], [FakeGpuProcess(reader.pid), FakeGpuProcess(SOMEBODY, busy_percent=30)])
    assert reader.gpu()["foreign_busy"] == 0.3


def test_without_the_library_there_are_no_cards(tmp_path: Path) -> None:
    process = subprocess.run(
        [sys.executable, str(PROGRAM), str(tmp_path), "5"],
        input="idle\nidle\n",
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env={key: value for key, value in os.environ.items() if key != "LD_LIBRARY_PATH"},
    )
    if any("GPU" in line for line in process.stdout.splitlines()):
        pytest.skip("this computer has an NVIDIA driver")
    assert [json.loads(line)["gpus"] for line in process.stdout.splitlines()] == [[], []]
