"""Which provider is taken on which computer, and what is said where there is none."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import uvloop
from dbus_fast import Variant

from fakes.compositor import EXT_IDLE, KDE_IDLE, FakeCompositor
from fakes.desktop_display import Display
from fakes.idle_services import FakeLogind, FakeMutter
from fakes.person import Returned
from fakes.private_bus import FakeService
from meadow_engine.senses.idle import choose
from meadow_engine.senses.idle.choose import find_idle_sense, find_lock_sense, runs_in_wsl
from meadow_engine.senses.idle.mutter import MutterIdle

NOWHERE = "unix:path=/nonexistent/bus"


def environment(**present: str) -> dict[str, str]:
    """Nothing but this; no test shall ask the buses of the computer that it runs on."""
    return {"DBUS_SESSION_BUS_ADDRESS": NOWHERE, "DBUS_SYSTEM_BUS_ADDRESS": NOWHERE, "HOME": "/nonexistent", **present}


@pytest.fixture
async def mutter(bus: str) -> AsyncIterator[FakeMutter]:
    service = FakeMutter(bus, idle_ms=7000)
    await service.start()
    yield service
    await service.stop()


@pytest.fixture
async def logind(bus: str) -> AsyncIterator[FakeLogind]:
    service = FakeLogind(bus, os.getuid())
    await service.start()
    yield service
    await service.stop()


async def chosen(present: dict[str, str], advice: str = "") -> str | None:
    """The name of what was found; its advice must be this one."""
    found = await find_idle_sense(environment=present, platform="linux", is_inside_wsl=False)
    assert found.advice == advice
    if found.sense is None:
        return None
    assert await found.sense.read() is not None
    await found.sense.aclose()
    return found.sense.name


@pytest.mark.parametrize(
    ("interfaces", "name"),
    [
        (["wl_seat", EXT_IDLE, KDE_IDLE], "Wayland ext-idle-notify-v1"),
        (["wl_seat", KDE_IDLE], "KDE org_kde_kwin_idle"),
        (["wl_seat"], "GNOME (Mutter) idle monitor"),
    ],
)
async def test_wayland_takes_the_best_that_the_compositor_offers(
    tmp_path: Path, bus: str, mutter: FakeMutter, interfaces: list[str], name: str
) -> None:
    compositor = FakeCompositor(tmp_path / "wayland-3", *interfaces)
    await compositor.start()
    session = {"XDG_SESSION_TYPE": "wayland", "XDG_RUNTIME_DIR": str(tmp_path), "DBUS_SESSION_BUS_ADDRESS": bus}
    assert await chosen(environment(**session, WAYLAND_DISPLAY="wayland-3", DISPLAY=":0")) == name
    assert await chosen(environment(**session, WAYLAND_DISPLAY=str(tmp_path / "wayland-3"))) == name
    assert await chosen(environment(**session)) == name, "the socket is found without being told"
    await compositor.stop()


async def test_a_service_from_before_the_login_finds_the_desktop(tmp_path: Path) -> None:
    compositor = FakeCompositor(tmp_path / "wayland-0", "wl_seat", EXT_IDLE)
    await compositor.start()
    assert await chosen(environment(XDG_RUNTIME_DIR=str(tmp_path))) == "Wayland ext-idle-notify-v1"
    await compositor.stop()


async def test_x11_asks_the_server_and_hears_of_the_return(display: Display, returned: Returned) -> None:
    present = environment(XDG_SESSION_TYPE="x11", DISPLAY=display.name)
    found = await find_idle_sense(returned.note, present, platform="linux", is_inside_wsl=False)
    assert found.sense is not None
    assert found.sense.name == "X11 screen saver"
    assert found.sense.tells_return
    await found.sense.aclose()


async def test_x11_is_never_asked_under_wayland(display: Display) -> None:
    present = environment(XDG_SESSION_TYPE="wayland", DISPLAY=display.name)
    assert await chosen(present, choose.SILENT_DESKTOP) is None


async def test_the_login_manager_is_the_last_resort_and_comes_with_a_warning(bus: str, logind: FakeLogind) -> None:
    present = environment(DISPLAY="elsewhere:0", DBUS_SYSTEM_BUS_ADDRESS=bus)
    assert await chosen(present, choose.ROUGH_DESKTOP) == "login manager's idle hint"


async def test_a_server_without_a_desktop_is_told_what_to_do() -> None:
    assert await chosen(environment(), choose.NO_DESKTOP) is None


async def test_inside_wsl_linux_is_not_believed(bus: str, mutter: FakeMutter) -> None:
    present = environment(DBUS_SESSION_BUS_ADDRESS=bus)
    found = await find_idle_sense(environment=present, platform="linux", is_inside_wsl=True)
    assert found.sense is None
    assert found.advice == choose.INSIDE_WSL
    assert (await find_lock_sense(present, platform="linux", is_inside_wsl=True)).sense is None


@pytest.mark.parametrize(
    ("release", "is_wsl"), [("5.15.153.1-microsoft-standard-WSL2\n", True), ("6.1.0-28-amd64\n", False)]
)
def test_wsl_is_known_by_its_kernel(tmp_path: Path, release: str, is_wsl: bool) -> None:
    (tmp_path / "osrelease").write_text(release)
    assert runs_in_wsl(tmp_path / "osrelease") is is_wsl


def test_a_system_without_a_kernel_release_is_not_wsl(tmp_path: Path) -> None:
    assert not runs_in_wsl(tmp_path / "osrelease")


@pytest.mark.parametrize("platform", ["win32", "darwin"])
async def test_a_system_without_the_expected_calls_says_so(platform: str) -> None:
    found = await find_idle_sense(environment={}, platform=platform)
    assert found.sense is None
    assert found.advice == choose.SILENT_SYSTEM


@pytest.mark.parametrize(
    "advice",
    [choose.NO_DESKTOP, choose.SILENT_DESKTOP, choose.ROUGH_DESKTOP, choose.INSIDE_WSL, choose.SILENT_SYSTEM],
)
def test_every_advice_names_something_to_do(advice: str) -> None:
    assert any(word in advice for word in ("Choose", "choose", "Start"))


async def test_the_lock_is_what_all_who_answer_say(bus: str, logind: FakeLogind) -> None:
    found = await find_lock_sense(environment(DBUS_SYSTEM_BUS_ADDRESS=bus), platform="linux", is_inside_wsl=False)
    assert found.sense is not None
    assert await found.sense.read() is False
    logind.session["LockedHint"] = Variant("b", True)
    assert await found.sense.read() is True
    await found.sense.aclose()


async def test_a_screen_saver_that_comes_after_us_is_heard(bus: str, logind: FakeLogind) -> None:
    present = environment(DBUS_SYSTEM_BUS_ADDRESS=bus, DBUS_SESSION_BUS_ADDRESS=bus)
    found = await find_lock_sense(present, platform="linux", is_inside_wsl=False)
    assert found.sense is not None
    assert await found.sense.read() is False
    saver = FakeService(bus, "org.mate.ScreenSaver")
    saver.methods["/org/mate/ScreenSaver", "org.mate.ScreenSaver", "GetActive"] = lambda: ("b", [True])
    await saver.start()
    assert await found.sense.read() is True
    await found.sense.aclose()
    await saver.stop()


async def test_a_search_that_is_given_up_leaves_nothing_open(
    bus: str, mutter: FakeMutter, monkeypatch: pytest.MonkeyPatch
) -> None:
    mutter.idle_ms = None  # it hangs
    closed: list[str] = []
    close = MutterIdle.aclose

    async def note_and_close(sense: MutterIdle) -> None:
        closed.append(sense.name)
        await close(sense)

    monkeypatch.setattr(MutterIdle, "aclose", note_and_close)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await find_idle_sense(
                environment=environment(DBUS_SESSION_BUS_ADDRESS=bus), platform="linux", is_inside_wsl=False
            )
    assert closed == ["GNOME (Mutter) idle monitor"]


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
async def test_a_lock_that_nobody_tells_is_said_to_be_unknown(platform: str) -> None:
    found = await find_lock_sense(environment(), platform=platform)
    assert found.sense is None
    assert found.advice == choose.UNKNOWN_LOCK


def test_everything_works_on_the_engines_own_event_loop(tmp_path: Path, bus: str) -> None:
    async def go() -> None:
        compositor = FakeCompositor(tmp_path / "wayland-0", "wl_seat", EXT_IDLE)
        await compositor.start()
        mutter = FakeMutter(bus, idle_ms=7000)
        await mutter.start()
        assert await chosen(environment(XDG_RUNTIME_DIR=str(tmp_path))) == "Wayland ext-idle-notify-v1"
        assert await chosen(environment(DBUS_SESSION_BUS_ADDRESS=bus)) == "GNOME (Mutter) idle monitor"
        await mutter.stop()
        await compositor.stop()

    uvloop.run(go())


def test_x11_works_on_the_engines_own_event_loop(display: Display) -> None:
    assert uvloop.run(chosen(environment(DISPLAY=display.name))) == "X11 screen saver"
