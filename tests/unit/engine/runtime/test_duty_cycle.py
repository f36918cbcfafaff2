"""The device rests between pieces of work, for as long as its share of the time asks for."""

from __future__ import annotations

import asyncio
import time

import pytest
import torch

from meadow_engine.runtime.device import ComputeThread
from meadow_engine.runtime.duty_cycle import DutyCycle


def rests(share: float, *computed_s: float) -> list[float]:
    slept: list[float] = []
    duty = DutyCycle(slept.append)
    duty.share = share
    for seconds in computed_s:
        duty.rest_after(seconds)
    return slept


@pytest.mark.parametrize(("share", "expected_s"), [(0.5, 2.0), (0.25, 6.0), (0.8, 0.5)])
def test_work_is_followed_by_its_share_of_rest(share: float, expected_s: float) -> None:
    assert rests(share, 2.0) == [pytest.approx(expected_s)]


def test_who_may_work_all_the_time_never_rests() -> None:
    assert rests(1.0, 2.0, 60.0) == []


def test_long_and_short_work_together_keep_the_share() -> None:
    computed_s = [0.01] * 50 + [12.0] + [0.01] * 50
    assert sum(computed_s) / (sum(computed_s) + sum(rests(0.3, *computed_s))) == pytest.approx(0.3)


def test_who_is_in_a_hurry_takes_no_more_rest() -> None:
    duty = DutyCycle()
    duty.share = 0.1
    duty.hurry()
    began = time.perf_counter()
    duty.rest_after(60.0)
    assert time.perf_counter() - began < 5


async def test_a_thread_that_may_work_a_third_of_the_time_does_so() -> None:
    thread = ComputeThread(torch.device("cpu"))
    thread.duty.share = 1 / 3
    try:
        spent_s, began = 0.0, time.perf_counter()
        for _ in range(10):
            spent_s += (await thread.run(time.sleep, 0.02)).compute_s
        await thread.run(int)  # has waited for the last rest
        share = spent_s / (time.perf_counter() - began)
    finally:
        thread.close()
    assert 0.2 < share < 0.36


async def test_resting_takes_no_processor_time() -> None:
    thread = ComputeThread(torch.device("cpu"))
    thread.duty.share = 0.1
    try:
        await thread.run(time.sleep, 0.05)
        before_s = time.process_time()
        await thread.run(int)
        assert time.process_time() - before_s < 0.2  # of 0.45 seconds
    finally:
        thread.close()


async def test_the_result_does_not_wait_for_the_rest_and_the_end_does_not_either() -> None:
    thread = ComputeThread(torch.device("cpu"))
    thread.duty.share = 0.1
    began = time.perf_counter()
    await thread.run(time.sleep, 2.0 / 9)
    assert time.perf_counter() - began < 1.5
    await asyncio.to_thread(thread.close)
    assert time.perf_counter() - began < 1.5
