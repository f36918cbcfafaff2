"""Idle time comes from whoever tells it, is looked for again when nobody does, and the senses fit the system."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from fakes.clock import FakeClock
from meadow_engine.senses.choose import WhoeverTellsIdle, find_senses
from meadow_engine.senses.idle import IdleSense
from meadow_engine.senses.idle.choose import NO_DESKTOP, Found


class FakeIdle:
    """Tells `idle_s`."""

    tells_return = True

    def __init__(self, idle_s: float | None) -> None:
        self.idle_s = idle_s
        self.is_closed = False

    @property
    def name(self) -> str:
        return "fake desktop"

    async def read(self) -> float | None:
        return self.idle_s

    async def aclose(self) -> None:
        self.is_closed = True


@dataclass
class Desk:
    """A computer on which somebody tells idle time, or nobody."""

    clock: FakeClock = field(default_factory=FakeClock)
    teller: FakeIdle | None = None
    searches: int = 0

    def __post_init__(self) -> None:
        self.whoever = WhoeverTellsIdle(self.find, self.clock)

    async def find(self) -> Found[IdleSense]:
        self.searches += 1
        return Found(self.teller, "" if self.teller else "Log in.")


@pytest.fixture
def desk() -> Desk:
    return Desk()


async def test_who_tells_is_found_once_and_asked_every_time(desk: Desk) -> None:
    desk.teller = FakeIdle(3.0)
    assert await desk.whoever.read() == 3.0
    desk.teller.idle_s = 4.0
    desk.clock.advance(3600)
    assert await desk.whoever.read() == 4.0
    assert (desk.searches, desk.whoever.name, desk.whoever.advice) == (1, "fake desktop", "")


async def test_a_desktop_that_comes_later_is_found_within_half_a_minute(desk: Desk) -> None:
    assert await desk.whoever.read() is None
    assert (desk.whoever.name, desk.whoever.advice) == ("nobody who tells idle time", "Log in.")
    desk.teller = FakeIdle(3.0)
    desk.clock.advance(29)
    assert (await desk.whoever.read(), desk.searches) == (None, 1)
    desk.clock.advance(1)
    assert (await desk.whoever.read(), desk.whoever.advice) == (3.0, "")


async def test_one_that_misses_a_reading_is_kept(desk: Desk) -> None:
    desk.teller = FakeIdle(3.0)
    await desk.whoever.read()
    desk.teller.idle_s = None
    desk.clock.advance(9)
    assert await desk.whoever.read() is None
    desk.teller.idle_s = 1.0
    desk.clock.advance(9)
    assert await desk.whoever.read() == 1.0
    assert (desk.searches, desk.teller.is_closed) == (1, False)


async def test_one_that_fell_silent_is_replaced_and_closed(desk: Desk) -> None:
    """A desktop was restarted: its socket is another one now."""
    old = desk.teller = FakeIdle(3.0)
    await desk.whoever.read()
    old.idle_s = None
    desk.teller = FakeIdle(7.0)
    readings = []
    for _ in range(60):
        desk.clock.advance(1)
        readings.append(await desk.whoever.read())
    assert old.is_closed
    assert readings[-1] == 7.0
    assert readings.index(7.0) <= 30


async def test_closing_lets_go_of_who_was_found(desk: Desk) -> None:
    await desk.whoever.aclose()
    desk.teller = FakeIdle(3.0)
    await desk.whoever.read()
    await desk.whoever.aclose()
    assert desk.teller.is_closed


NOWHERE = {
    "DBUS_SESSION_BUS_ADDRESS": "unix:path=/nonexistent/bus",
    "DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/nonexistent/bus",
    "HOME": "/nonexistent",
}


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
async def test_senses_are_put_together_on_every_system_and_know_the_disk(tmp_path: Path, platform: str) -> None:
    senses, idle = await find_senses(
        programs=list,
        folder=tmp_path,
        is_computing=lambda: False,
        on_active=lambda: None,
        environment=NOWHERE,
        platform=platform,
    )
    try:
        facts = await senses.read()
        assert facts.free_disk_bytes is not None
        assert facts.free_memory_bytes is not None
        assert facts.idle_s is None
        assert idle.advice
        assert platform != "linux" or idle.advice == NO_DESKTOP
    finally:
        await senses.aclose()
