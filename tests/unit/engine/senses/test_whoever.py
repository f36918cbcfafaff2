"""An engine that started before the login learns of the lock when there is a desktop."""

from __future__ import annotations

import os

from dbus_fast import Variant

from fakes.clock import FakeClock
from fakes.idle_services import FakeLogind
from meadow_engine.senses.idle.choose import UNKNOWN_LOCK, Found, find_lock_sense
from meadow_engine.senses.sense import Sense
from meadow_engine.senses.whoever import FIND_AGAIN_S, SILENT_S, WhoeverTells


async def test_the_lock_is_known_after_a_login_and_unknown_again_after_a_logout(bus: str) -> None:
    async def find() -> Found[Sense[bool]]:
        return await find_lock_sense({"DBUS_SYSTEM_BUS_ADDRESS": bus}, platform="linux", is_inside_wsl=False)

    clock = FakeClock()
    sense = WhoeverTells("whether the screen is locked", find, clock)
    assert await sense.read() is None
    assert (sense.name, sense.advice) == ("nobody who tells whether the screen is locked", UNKNOWN_LOCK)

    logind = FakeLogind(bus, os.getuid())
    await logind.start()
    assert await sense.read() is None, "not looked for at every reading"
    clock.advance(FIND_AGAIN_S)
    assert await sense.read() is False
    logind.session["LockedHint"] = Variant("b", True)
    assert await sense.read() is True
    assert (sense.name, sense.advice) == ("login manager's locked hint", "")

    logind.user["Display"] = Variant("(so)", ["", "/"])
    clock.advance(SILENT_S)
    assert await sense.read() is None
    assert sense.name == "nobody who tells whether the screen is locked"
    await sense.aclose()
    await logind.stop()
