"""GNOME's idle monitor, played by a service on a real bus."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fakes.idle_services import FakeMutter
from fakes.person import Returned
from fakes.private_bus import running_bus
from meadow_engine.senses.idle.mutter import MutterIdle


@pytest.fixture
async def mutter(bus: str) -> AsyncIterator[FakeMutter]:
    service = FakeMutter(bus)
    await service.start()
    yield service
    await service.stop()


async def test_tells_idle_seconds(bus: str, mutter: FakeMutter) -> None:
    sense = MutterIdle(bus)
    mutter.idle_ms = 183_250
    assert await sense.read() == 183.25
    mutter.idle_ms = 40
    assert await sense.read() == 0.04
    await sense.aclose()


async def test_the_return_is_heard_at_once_and_every_time(bus: str, mutter: FakeMutter, returned: Returned) -> None:
    sense = MutterIdle(bus, returned.note)
    for _ in range(2):
        mutter.idle_ms = 60_000
        await sense.read()
        await sense.read()
        assert len(mutter.watches) == 1, "one watch is enough"
        came_back = time.monotonic()
        await mutter.input()
        assert await returned.next() - came_back < 0.5
    await sense.aclose()


async def test_a_mutter_that_was_started_anew_is_asked_to_watch_again(
    bus: str, mutter: FakeMutter, returned: Returned
) -> None:
    sense = MutterIdle(bus, returned.note)
    mutter.idle_ms = 60_000
    await sense.read()
    await mutter.stop()
    assert await sense.read() is None, "nobody there to ask"
    mutter.watches.clear()
    await mutter.start()
    assert await sense.read() == 60
    await mutter.input()
    await returned.next()
    await sense.aclose()


async def test_a_bus_that_was_restarted_is_joined_again(tmp_path: Path, returned: Returned) -> None:
    with running_bus(tmp_path / "bus") as address:
        first = FakeMutter(address)
        await first.start()
        sense = MutterIdle(address, returned.note)
        first.idle_ms = 60_000
        assert await sense.read() == 60
    with running_bus(tmp_path / "bus") as address:
        second = FakeMutter(address, idle_ms=4000)
        await second.start()
        assert await sense.read() == 4, "its name on the bus is the same as the first one's"
        await second.input()
        await returned.next()
        await sense.aclose()
        await second.stop()


async def test_a_hanging_mutter_costs_half_a_second_and_no_more(bus: str, mutter: FakeMutter) -> None:
    sense = MutterIdle(bus)
    mutter.idle_ms = None
    began = time.monotonic()
    assert await sense.read() is None
    assert time.monotonic() - began < 1
    mutter.idle_ms = 5000
    assert await sense.read() == 5
    await sense.aclose()


async def test_an_answer_of_another_kind_is_no_answer(bus: str, mutter: FakeMutter) -> None:
    sense = MutterIdle(bus)
    mutter.answer_with("s", "a while")
    assert await sense.read() is None
    await sense.aclose()


@pytest.mark.parametrize("address", ["unix:path=/nonexistent/bus", "nonsense", "unix:path="])
async def test_without_a_bus_nothing_is_known(address: str) -> None:
    sense = MutterIdle(address)
    assert await sense.read() is None
    await sense.aclose()
