"""The share of the processor that others use."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from meadow_engine.senses.machine.cpu import CpuSeconds, ForeignCpuSense, measure_cpu_seconds
from meadow_engine.senses.machine.own_processes import own_processes

BURN = "import time\nwhile time.process_time() < 0.4: pass\nprint('done', flush=True)\nimport sys; sys.stdin.read()"
BEHIND_A_SHELL = ["sh", "-c", '"$0" -c "$1"; true', sys.executable, BURN]


def sense(*measured: CpuSeconds | None) -> ForeignCpuSense:
    left: Iterator[CpuSeconds | None] = iter(measured)
    return ForeignCpuSense(lambda: next(left))


async def shares(*measured: CpuSeconds | None) -> list[float | None]:
    asked = sense(*measured)
    return [await asked.read() for _ in measured]


async def test_it_takes_two_looks_to_know() -> None:
    assert await shares(CpuSeconds(100, 50, 10), CpuSeconds(104, 53, 12)) == [None, 0.25]


async def test_our_own_work_is_not_that_of_others() -> None:
    assert await shares(CpuSeconds(100, 50, 10), CpuSeconds(104, 54, 14)) == [None, 0]


async def test_the_share_is_of_the_time_since_the_last_look() -> None:
    assert await shares(CpuSeconds(0, 0, 0), CpuSeconds(4, 4, 0), CpuSeconds(8, 5, 0)) == [None, 1, 0.25]


async def test_a_child_that_nobody_waited_for_does_not_turn_into_work_of_others() -> None:
    assert await shares(CpuSeconds(100, 50, 10), CpuSeconds(104, 51, 3)) == [None, 0.25]


async def test_looks_close_together_give_the_last_share_that_was_no_noise() -> None:
    looks = (CpuSeconds(0, 0, 0), CpuSeconds(4, 1, 0), CpuSeconds(4.1, 1.1, 0), CpuSeconds(8, 3, 0))
    assert await shares(*looks) == [None, 0.25, 0.25, 0.5]


async def test_a_system_that_counts_anew_is_followed() -> None:
    looks = (CpuSeconds(900, 0, 0), CpuSeconds(904, 1, 0), CpuSeconds(1, 0, 0), CpuSeconds(5, 2, 0))
    assert await shares(*looks) == [None, 0.25, 0.25, 0.5]


async def test_a_system_that_does_not_count_is_unknown() -> None:
    assert await shares(None, CpuSeconds(0, 0, 0), None) == [None, None, None]


@pytest.mark.parametrize("command", [[sys.executable, "-c", BURN], BEHIND_A_SHELL], ids=["child", "grandchild"])
def test_what_our_children_compute_is_ours_while_they_run_and_when_they_have_ended(command: list[str]) -> None:
    before = measure_cpu_seconds()
    assert before is not None
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"done\n"
        running = measure_cpu_seconds()
    ended = measure_cpu_seconds()
    assert running is not None
    assert ended is not None
    assert running.own_s - before.own_s >= 0.35
    assert ended.own_s - before.own_s >= 0.35
    assert running.busy_s - before.busy_s >= 0.3


def test_a_process_that_left_our_family_is_not_ours() -> None:
    script = "import subprocess as s; print(s.Popen(['sleep', '30'], stdout=s.DEVNULL, stderr=s.DEVNULL).pid)"
    orphan = int(subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, timeout=20).stdout)
    try:
        own = own_processes()
        assert os.getpid() in own
        assert orphan not in own
        assert os.getppid() not in own
    finally:
        psutil.Process(orphan).kill()
