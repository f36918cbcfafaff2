"""Full-screen windows on a real X server, where the test plays the window manager."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.window_manager import WindowManager, managing
from fakes.x_server import missing_server, running_server
from meadow_engine.senses.machine.screen import X11FullScreenSense, choose_full_screen_sense

pytestmark = pytest.mark.skipif(missing_server() is not None, reason=str(missing_server()))

FULL_SCREEN, MAXIMIZED, ABOVE = "_NET_WM_STATE_FULLSCREEN", "_NET_WM_STATE_MAXIMIZED_VERT", "_NET_WM_STATE_ABOVE"
NO_AUTHORITY = Path("/nonexistent/.Xauthority")


@pytest.fixture(scope="module")
def display() -> Iterator[str]:
    with running_server() as (display, _):
        yield display


@pytest.fixture
def manager(display: str) -> Iterator[WindowManager]:
    with managing(display) as manager:
        yield manager


async def read_once(sense: X11FullScreenSense) -> bool | None:
    try:
        return await sense.read()
    finally:
        await sense.aclose()


async def test_a_screen_without_a_window_manager_does_not_tell() -> None:
    with running_server() as (display, _), managing(display) as manager:
        manager.open_window(FULL_SCREEN)
        assert await read_once(X11FullScreenSense(display, NO_AUTHORITY)) is None


@pytest.mark.parametrize(
    ("states", "is_full_screen"),
    [((FULL_SCREEN,), True), ((ABOVE, FULL_SCREEN), True), ((MAXIMIZED,), False), ((), False)],
)
async def test_the_window_in_front_decides(
    display: str, manager: WindowManager, states: tuple[str, ...], is_full_screen: bool
) -> None:
    manager.open_window(FULL_SCREEN)  # behind
    manager.put_in_front(manager.open_window(*states))
    assert await read_once(X11FullScreenSense(display, NO_AUTHORITY)) is is_full_screen


async def test_full_screen_is_noticed_when_it_begins_and_when_it_ends(display: str, manager: WindowManager) -> None:
    sense = X11FullScreenSense(display, NO_AUTHORITY)
    game = manager.open_window()
    manager.put_in_front(game)
    readings = [await sense.read()]
    manager.set_states(game, FULL_SCREEN)
    readings.append(await sense.read())
    manager.put_in_front(0)
    readings.append(await sense.read())
    assert readings == [False, True, False]
    await sense.aclose()


async def test_a_window_that_closes_while_it_is_asked_about_is_not_full_screen(
    display: str, manager: WindowManager
) -> None:
    sense = X11FullScreenSense(display, NO_AUTHORITY)
    game = manager.open_window(FULL_SCREEN)
    manager.put_in_front(game)
    assert await sense.read() is True
    manager.close_window(game)
    assert await sense.read() is False
    await sense.aclose()


async def test_beside_wayland_only_a_yes_means_something(display: str, manager: WindowManager) -> None:
    sense = X11FullScreenSense(display, NO_AUTHORITY, is_wayland=True)
    game = manager.open_window(FULL_SCREEN)
    manager.put_in_front(game)
    assert await sense.read() is True
    manager.set_states(game)
    assert await sense.read() is None
    await sense.aclose()


async def test_a_server_that_dies_takes_nobody_along_and_its_successor_is_asked() -> None:
    with running_server() as (display, server), managing(display) as manager:
        manager.put_in_front(manager.open_window(FULL_SCREEN))
        sense = X11FullScreenSense(display, NO_AUTHORITY)
        assert await sense.read() is True
        server.kill()
        await asyncio.to_thread(server.wait)
        assert await sense.read() is None
        assert await sense.read() is None
    with running_server(display), managing(display) as manager:
        manager.put_in_front(manager.open_window(FULL_SCREEN))
        assert await sense.read() is True
        await sense.aclose()


async def test_a_server_that_is_stuck_is_not_waited_for() -> None:
    with running_server() as (display, server), managing(display) as manager:
        manager.put_in_front(manager.open_window(FULL_SCREEN))
        sense = X11FullScreenSense(display, NO_AUTHORITY)
        assert await sense.read() is True
        server.send_signal(signal.SIGSTOP)
        async with asyncio.timeout(4):
            assert await sense.read() is None  # the connection that was there
            assert await sense.read() is None  # a new one, which nobody answers
        server.send_signal(signal.SIGCONT)
        assert await sense.read() is True
        await sense.aclose()


async def test_a_reading_that_is_broken_off_does_not_garble_the_next_one() -> None:
    with running_server() as (display, server), managing(display) as manager:
        manager.put_in_front(manager.open_window(FULL_SCREEN))
        sense = X11FullScreenSense(display, NO_AUTHORITY)
        assert await sense.read() is True
        server.send_signal(signal.SIGSTOP)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(sense.read(), 0.05)
        server.send_signal(signal.SIGCONT)
        assert await sense.read() is True
        await sense.aclose()


async def test_a_server_that_is_not_there_does_not_tell() -> None:
    assert await read_once(X11FullScreenSense(":59999", NO_AUTHORITY)) is None


def test_the_session_decides_who_is_asked() -> None:
    assert choose_full_screen_sense({}) is None
    assert choose_full_screen_sense({"WAYLAND_DISPLAY": "wayland-0"}) is None
    assert choose_full_screen_sense({"DISPLAY": ":0", "HOME": "/home/ada"}) is not None
