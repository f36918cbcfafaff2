"""`meadow doctor` says whether Meadow knows that somebody is there, and from whom."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from dbus_fast import Variant

from fakes.idle_services import FakeLogind, FakeMutter
from fakes.network_manager import FakeNetworkManager
from fakes.private_bus import running_bus
from meadow_engine.api.places import Places, find_places
from meadow_engine.checkup import Check, check_presence
from meadow_engine.senses.idle.choose import NO_DESKTOP

NOWHERE = "unix:path=/nonexistent/bus"


@pytest.fixture
def bus() -> Iterator[str]:
    with running_bus() as address:
        yield address


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return find_places(tmp_path)


async def look(places: Places, bus: str, **more: str) -> Check:
    """The check has an event loop of its own, as in the program; the services answer on this one."""
    environment = {"DBUS_SESSION_BUS_ADDRESS": bus, "DBUS_SYSTEM_BUS_ADDRESS": bus, "HOME": "/nonexistent", **more}
    return await asyncio.to_thread(check_presence, places, environment)


async def test_on_a_desktop_it_names_who_tells_idle_time_and_what_else_is_known(places: Places, bus: str) -> None:
    mutter, logind, manager = FakeMutter(bus, 7000), FakeLogind(bus, os.getuid()), FakeNetworkManager(bus, 1)
    logind.session["LockedHint"] = Variant("b", True)
    for service in (mutter, logind, manager):
        await service.start()
    check = await look(places, bus)
    assert check.is_ok
    for part in ("idle: 7 s, from GNOME (Mutter) idle monitor", "locked: yes", "full screen: unknown", "metered: yes"):
        assert part in check.finding
    for service in (mutter, logind, manager):
        await service.stop()


async def test_without_a_desktop_it_is_not_well_and_says_what_to_do(places: Places) -> None:
    check = await look(places, NOWHERE, MEADOW_SHARE="true")
    assert (check.is_ok, check.advice) == (False, NO_DESKTOP)
    assert check.finding.startswith("idle: unknown; locked: unknown")


async def test_who_has_not_agreed_to_share_needs_no_idle_time(places: Places) -> None:
    assert (await look(places, NOWHERE)).is_ok


async def test_who_shares_always_needs_no_idle_time(places: Places) -> None:
    assert (await look(places, NOWHERE, MEADOW_SHARE="true", MEADOW_MODE="always")).is_ok
    places.settings_file.parent.mkdir(parents=True)
    places.settings_file.write_text('share = true\nmode = "always"')
    assert (await look(places, NOWHERE)).is_ok
