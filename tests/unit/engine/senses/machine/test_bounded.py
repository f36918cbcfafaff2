"""Questions that block."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading

import pytest

from meadow_engine.senses.machine.bounded import BoundedCalls

STUCK = """
import asyncio, threading
from meadow_engine.senses.machine.bounded import BoundedCalls
print(asyncio.run(BoundedCalls("stuck", 0.05).run(threading.Event().wait)))
"""


async def test_an_answer_in_time_is_given() -> None:
    assert await BoundedCalls[int]("quick", 5).run(lambda: 7) == 7


async def test_a_failure_is_the_askers() -> None:
    calls: BoundedCalls[int] = BoundedCalls("failing", 5)
    with pytest.raises(ValueError, match="nonsense"):
        await calls.run(lambda: int("nonsense"))
    assert await calls.run(lambda: 7) == 7


async def test_nobody_is_sent_after_one_who_is_stuck() -> None:
    gate = threading.Event()
    asked: list[str] = []

    def first() -> str:
        gate.wait(10)
        return "late"

    def second() -> str:
        asked.append("second")
        return "second"

    calls: BoundedCalls[str] = BoundedCalls("slow", 0.05)
    try:
        assert await calls.run(first) is None
        assert await calls.run(second) is None
        assert asked == []
    finally:
        gate.set()
    for thread in [each for each in threading.enumerate() if each.name == "slow"]:
        await asyncio.to_thread(thread.join, 10)
    assert await calls.run(lambda: "third") == "third"


def test_a_thread_that_is_stuck_for_ever_does_not_keep_the_program_from_ending() -> None:
    ended = subprocess.run([sys.executable, "-c", STUCK], capture_output=True, text=True, timeout=20, check=True)
    assert (ended.stdout, ended.stderr) == ("None\n", "")
