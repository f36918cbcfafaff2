"""What another program does with the graphics card ends sharing within two seconds of the rule, for the right reason.

Real NVML binding, sense, collector, policy and loop, in a program of their own that loads a fake driver library.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fakes.nvml_library import GIB, FakeGpu, FakeGpuProcess, FakeNvml, missing_compiler

pytestmark = pytest.mark.skipif(missing_compiler() is not None, reason=str(missing_compiler()))

PROGRAM = Path(__file__).parents[4] / "fakes" / "gpu_watch_program.py"
GAME = os.getpid()
"""Some process that the program has not started."""
FIRST, SECOND = "0000:01:00.0", "0000:41:00.0"
IN_TIME_S = 2.0
BUSY_HOLD_S = 5.0
SLACK_S = 1.0
"""For a machine that does other things meanwhile."""


class Decisions:
    """What the program decides, as it comes."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._found: queue.Queue[tuple[str, str | None]] = queue.Queue()
        assert process.stdout is not None
        lines = process.stdout

        def read() -> None:
            for line in lines:
                told = json.loads(line)
                self._found.put((told["verb"], told["reason"]))

        threading.Thread(target=read, daemon=True).start()

    def wait_for(self, verb: str, reason: str | None, within_s: float) -> None:
        deadline_s = time.monotonic() + within_s
        seen = []
        while True:
            try:
                seen.append(self._found.get(timeout=max(0.0, deadline_s - time.monotonic())))
            except queue.Empty:
                raise AssertionError(f"not {(verb, reason)} within {within_s} s, but {seen}") from None
            if seen[-1] == (verb, reason):
                return

    def assert_nothing_new(self, for_s: float) -> None:
        with pytest.raises(queue.Empty):
            raise AssertionError(self._found.get(timeout=for_s))


@pytest.fixture
def nvml(tmp_path: Path) -> FakeNvml:
    return FakeNvml(tmp_path / "nvml")


@pytest.fixture
def watching(nvml: FakeNvml, tmp_path: Path) -> Iterator[Callable[..., Decisions]]:
    processes: list[subprocess.Popen[str]] = []

    @contextmanager
    def ended(process: subprocess.Popen[str]) -> Iterator[None]:
        yield
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(20) == 0
        assert process.stdout is not None
        process.stdout.close()

    def start(*lent: int) -> Decisions:
        command = [sys.executable, str(PROGRAM), str(tmp_path / "sys"), *map(str, lent)]
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=nvml.environment()
        )
        processes.append(process)
        decisions = Decisions(process)
        decisions.wait_for("share", None, 20.0)
        return decisions

    yield start
    for process in processes:
        with ended(process):
            pass


def test_a_program_that_only_appears_disturbs_nobody(nvml: FakeNvml, watching: Callable[..., Decisions]) -> None:
    decisions = watching()
    nvml.set([FakeGpu(free_bytes=7 * GIB)], [FakeGpuProcess(GAME)])
    decisions.assert_nothing_new(IN_TIME_S)


def test_one_that_fills_the_memory_gets_it(nvml: FakeNvml, watching: Callable[..., Decisions]) -> None:
    decisions = watching()
    nvml.set([FakeGpu(free_bytes=GIB)], [FakeGpuProcess(GAME, used_bytes=7 * GIB)])
    decisions.wait_for("yield", "gpu-memory-needed", IN_TIME_S + SLACK_S)
    nvml.set()
    decisions.wait_for("share", None, 10.0)


def test_one_that_computes_gets_the_card(nvml: FakeNvml, watching: Callable[..., Decisions]) -> None:
    decisions = watching()
    nvml.set([FakeGpu(busy_percent=90)], [FakeGpuProcess(GAME, busy_percent=90)])
    decisions.wait_for("yield", "gpu-busy", BUSY_HOLD_S + IN_TIME_S + SLACK_S)


def test_a_hot_card_rests_until_it_is_cool(nvml: FakeNvml, watching: Callable[..., Decisions]) -> None:
    decisions = watching()
    nvml.set([FakeGpu(temperature_c=84)])
    decisions.wait_for("yield", "too-hot", IN_TIME_S + SLACK_S)
    nvml.set([FakeGpu(temperature_c=80)])
    decisions.wait_for("stay", "too-hot", 5.0)
    nvml.set([FakeGpu(temperature_c=70)])
    decisions.wait_for("share", None, 10.0)


def test_a_driver_that_vanishes_is_a_reason_and_no_end(nvml: FakeNvml, watching: Callable[..., Decisions]) -> None:
    decisions = watching()
    nvml.set(has_driver=False)
    decisions.wait_for("yield", "gpu-gone", IN_TIME_S + SLACK_S)
    nvml.set()
    decisions.wait_for("share", None, 10.0)


@pytest.mark.parametrize("lent", [0, 1])
def test_of_two_cards_only_the_one_that_is_lent_counts(
    nvml: FakeNvml, watching: Callable[..., Decisions], lent: int
) -> None:
    calm, busy = FakeGpu(FIRST), FakeGpu(SECOND, busy_percent=90)
    nvml.set([calm, FakeGpu(SECOND)])
    decisions = watching(lent)
    nvml.set([calm, busy], [FakeGpuProcess(GAME, gpu=1, busy_percent=90)])
    if lent == 0:
        decisions.assert_nothing_new(BUSY_HOLD_S + IN_TIME_S)
    else:
        decisions.wait_for("yield", "gpu-busy", BUSY_HOLD_S + IN_TIME_S + SLACK_S)
