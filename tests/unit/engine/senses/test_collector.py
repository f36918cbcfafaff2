"""Facts are as old as they may be and no older, and one sense that is broken blinds no other."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import fields
from datetime import datetime
from typing import Any

import pytest

from fakes.clock import FakeClock
from meadow_engine.policy.facts import Facts, GpuFacts
from meadow_engine.senses import collector
from meadow_engine.senses.collector import PERIODS_S, Senses, week_minute


class FakeSense:
    """Says what it is told to say, or does what a broken one does."""

    def __init__(self, value: Any, failure: Exception | None = None) -> None:
        self.value = value
        self.failure = failure
        self.hangs = False
        self.asked = 0
        self.is_closed = False

    @property
    def name(self) -> str:
        return "fake sense"

    async def read(self) -> Any:
        self.asked += 1
        if self.hangs:
            await asyncio.Event().wait()
        if self.failure is not None:
            raise self.failure
        return self.value

    async def aclose(self) -> None:
        self.is_closed = True
        if self.failure is not None:
            raise self.failure


MONDAY = datetime(2026, 1, 5, 0, 1)
CARD = GpuFacts("FAKE GPU", free_bytes=7)


@pytest.fixture
def collect(clock: FakeClock) -> Callable[..., Senses]:
    return lambda **senses: Senses(senses, clock, now=lambda: MONDAY)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


async def test_what_the_senses_say_are_the_facts(collect: Callable[..., Senses], clock: FakeClock) -> None:
    senses = collect(idle_s=FakeSense(5.0), gpus=FakeSense((CARD,)), is_on_battery=FakeSense(False))
    assert await senses.read() == Facts(clock.now, 1, idle_s=5.0, gpus=(CARD,), is_on_battery=False)


async def test_without_any_sense_nothing_is_known(collect: Callable[..., Senses], clock: FakeClock) -> None:
    assert await collect().read() == Facts(clock.now, 1)


def test_every_age_belongs_to_a_fact() -> None:
    assert set(PERIODS_S) < {field.name for field in fields(Facts)}


async def test_a_sense_is_asked_again_when_its_answer_is_too_old(
    collect: Callable[..., Senses], clock: FakeClock
) -> None:
    idle, disk = FakeSense(1.0), FakeSense(9)
    senses = collect(idle_s=idle, free_disk_bytes=disk)
    for _ in range(60):
        await senses.read()
        clock.advance(1)
    assert (idle.asked, disk.asked) == (60, 1)
    disk.value = 10
    assert (await senses.read()).free_disk_bytes == 10


async def test_all_who_are_due_are_asked_at_the_same_time(collect: Callable[..., Senses]) -> None:
    meeting = asyncio.Barrier(2)

    class Meets(FakeSense):
        async def read(self) -> Any:
            await meeting.wait()
            return self.value

    facts = await collect(idle_s=Meets(1.0), free_memory_bytes=Meets(2)).read()
    assert (facts.idle_s, facts.free_memory_bytes) == (1.0, 2)


async def test_a_sense_that_hangs_is_not_waited_for_and_says_nothing(
    collect: Callable[..., Senses], clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collector, "_LIMIT_S", 0.02)
    metered, idle = FakeSense(True), FakeSense(3.0)
    senses = collect(is_metered=metered, idle_s=idle)
    assert (await senses.read()).is_metered
    metered.hangs = True
    clock.advance(10)
    facts = await senses.read()
    assert (facts.is_metered, facts.idle_s) == (None, 3.0)


async def test_a_sense_that_fails_is_named_once_and_asked_again(
    collect: Callable[..., Senses], clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    broken, idle = FakeSense(True, OSError("the driver is gone")), FakeSense(3.0)
    senses = collect(is_locked=broken, idle_s=idle)
    for _ in range(3):
        facts = await senses.read()
        assert (facts.is_locked, facts.idle_s) == (None, 3.0)
        clock.advance(1)
    assert caplog.messages == ["Nothing is known about is_locked: fake sense failed (OSError)"]
    broken.failure = None
    assert (await senses.read()).is_locked


async def test_a_fact_that_is_no_longer_told_is_no_longer_believed(
    collect: Callable[..., Senses], clock: FakeClock
) -> None:
    idle = FakeSense(3.0)
    senses = collect(idle_s=idle)
    await senses.read()
    idle.value = None
    assert (await senses.read()).idle_s is None


async def test_nobody_is_asked_for_what_does_not_matter_as_long_as_it_does_not(
    collect: Callable[..., Senses], clock: FakeClock
) -> None:
    gpus = FakeSense((CARD,))
    senses = collect(gpus=gpus)
    assert (await senses.read()).gpus == (CARD,)
    senses.unasked = lambda: frozenset({"gpus"})
    clock.advance(5)
    assert ((await senses.read()).gpus, gpus.asked) == ((), 1)
    senses.unasked = frozenset
    assert ((await senses.read()).gpus, gpus.asked) == ((CARD,), 2)


async def test_all_senses_are_closed_whatever_one_of_them_does(
    collect: Callable[..., Senses], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    broken, idle = FakeSense(True, OSError()), FakeSense(3.0)
    await collect(is_locked=broken, idle_s=idle).aclose()
    assert (broken.is_closed, idle.is_closed) == (True, True)
    assert caplog.messages == ["The sense fake sense did not close"]


@pytest.mark.parametrize(
    ("moment", "minute"),
    [
        (datetime(2026, 1, 5), 0),
        (datetime(2026, 1, 7, 12, 30, 59), (2 * 24 + 12) * 60 + 30),
        (datetime(2026, 1, 11, 23, 59), 7 * 24 * 60 - 1),
    ],
)
def test_a_week_begins_on_monday(moment: datetime, minute: int) -> None:
    assert week_minute(moment) == minute
