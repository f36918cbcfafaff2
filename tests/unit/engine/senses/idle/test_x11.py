"""Idle seconds of a real X server, pressed by xdotool."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path

import pytest

from fakes.compositor import running_kwin, running_xwayland
from fakes.desktop_display import Display
from fakes.person import Returned
from fakes.x_server import missing_server, running_server
from meadow_engine.senses.idle.x11 import X11Idle

NO_AUTHORITY = Path("/nonexistent/.Xauthority")

pytestmark = pytest.mark.skipif(missing_server() is not None, reason=str(missing_server()))


async def test_tells_seconds_since_keys_clicks_and_movements(display: Display) -> None:
    sense = X11Idle(display.name, NO_AUTHORITY)
    for act in (lambda: display.press("a"), lambda: display.click(30, 30), lambda: display.move(60, 60)):
        await asyncio.sleep(0.6)
        quiet = await sense.read()
        assert quiet is not None
        assert quiet >= 0.6
        await asyncio.to_thread(act)
        touched = await sense.read()
        assert touched is not None
        assert touched < 0.5
    await sense.aclose()


async def test_the_return_is_heard_at_once_and_every_time(display: Display, returned: Returned) -> None:
    sense = X11Idle(display.name, NO_AUTHORITY, returned.note)
    await sense.read()
    assert sense.tells_return
    for turn in range(2):
        await asyncio.sleep(1.2)
        began = time.monotonic()
        await asyncio.to_thread(display.move, 50 + turn, 50)
        assert await returned.next() - began < 0.5
    await sense.aclose()


async def test_a_lost_server_ends_nothing_and_a_new_one_is_asked() -> None:
    with running_server() as (name, server):
        sense = X11Idle(name, NO_AUTHORITY)
        assert await sense.read() is not None
        server.kill()
        server.wait(10)
        assert await sense.read() is None
        assert await sense.read() is None
        tells_return = sense.tells_return
        assert not tells_return
    with running_server(name):
        assert await sense.read() is not None
        assert sense.tells_return
        await sense.aclose()


async def test_inside_a_sandbox_the_abstract_socket_is_found() -> None:
    with running_server() as (name, _):
        os.unlink(f"/tmp/.X11-unix/X{name[1:]}")
        sense = X11Idle(name, NO_AUTHORITY)
        assert await sense.read() is not None
        await sense.aclose()


async def test_a_frozen_server_costs_half_a_second_and_no_more() -> None:
    with running_server() as (name, server):
        sense = X11Idle(name, NO_AUTHORITY)
        assert await sense.read() is not None
        server.send_signal(signal.SIGSTOP)
        began = time.monotonic()
        assert await sense.read() is None
        assert time.monotonic() - began < 1
        server.send_signal(signal.SIGCONT)
        assert await sense.read() is not None
        await sense.aclose()


async def test_xwayland_is_not_mistaken_for_a_desktop(tmp_path: Path) -> None:
    with running_kwin(tmp_path) as compositor, running_xwayland(compositor) as name:
        sense = X11Idle(name, NO_AUTHORITY)
        assert await sense.read() is None
        await sense.aclose()
