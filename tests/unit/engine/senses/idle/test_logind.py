"""systemd's login manager, played by a service on a real bus."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from dbus_fast import Variant

from fakes.clock import FakeClock
from fakes.idle_services import FakeLogind
from meadow_engine.senses.idle.logind import LogindIdle, LogindLock

USER_ID = 1000


@pytest.fixture
async def logind(bus: str) -> AsyncIterator[FakeLogind]:
    service = FakeLogind(bus, USER_ID)
    await service.start()
    yield service
    await service.stop()


async def test_idle_seconds_count_from_when_the_desktop_said_so(bus: str, logind: FakeLogind) -> None:
    clock = FakeClock()
    sense = LogindIdle(bus, USER_ID, clock)
    assert await sense.read() == 0
    logind.idle_since(clock.now)
    clock.advance(42)
    assert await sense.read() == 42
    logind.session["IdleHint"] = Variant("b", False)
    assert await sense.read() == 0
    await sense.aclose()


async def test_a_time_in_the_future_is_now(bus: str, logind: FakeLogind) -> None:
    clock = FakeClock()
    sense = LogindIdle(bus, USER_ID, clock)
    logind.idle_since(clock.now + 5)
    assert await sense.read() == 0
    await sense.aclose()


async def test_a_login_from_elsewhere_says_nothing_about_this_desk(bus: str, logind: FakeLogind) -> None:
    sense = LogindIdle(bus, USER_ID)
    logind.session["Remote"] = Variant("b", True)
    assert await sense.read() is None
    logind.session["Remote"] = Variant("b", False)
    logind.session["Seat"] = Variant("(so)", ["", "/"])
    assert await sense.read() is None
    await sense.aclose()


async def test_a_person_who_is_not_logged_in_is_not_idle_but_unknown(bus: str, logind: FakeLogind) -> None:
    sense = LogindIdle(bus, USER_ID)
    logind.user["Display"] = Variant("(so)", ["", "/"])
    assert await sense.read() is None
    await sense.aclose()


async def test_the_lock_is_told(bus: str, logind: FakeLogind) -> None:
    sense = LogindLock(bus, USER_ID)
    assert await sense.read() is False
    logind.session["LockedHint"] = Variant("b", True)
    assert await sense.read() is True
    del logind.session["LockedHint"]  # before systemd 230
    assert await sense.read() is None
    await sense.aclose()


async def test_a_login_manager_that_was_restarted_is_asked_again(bus: str, logind: FakeLogind) -> None:
    sense = LogindLock(bus, USER_ID)
    assert await sense.read() is False
    await logind.stop()
    assert await sense.read() is None
    await logind.start()
    assert await sense.read() is False
    await sense.aclose()


async def test_a_login_manager_that_hangs_is_given_up(bus: str, logind: FakeLogind) -> None:
    sense = LogindLock(bus, user_id=1001)  # the fake never answers for anybody else
    assert await sense.read() is None
    await sense.aclose()
