"""Pictures of the panel: the icon in every state with what it says under the pointer, and the tray's menu.

Everything is the real engine's: what it does in the neighbourhood, an engine whose model is on a disk that is not
plugged in, and no engine at all. The one that starts is held until its picture is taken.
"""

from __future__ import annotations

import json
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from fakes.processes import LOOPBACK
from fakes.volunteer import Volunteer
from gui.pictures.neighbourhood import change
from gui.pictures.studio import PANEL_HEIGHT, Studio, is_plain, put_below_one_another, running_studio
from meadow_desktop.settings.appearance import Appearance, appearance_file, keep_appearance
from meadow_engine.api.places import find_places

SHAPES = ("sharing", "waiting", "paused", "off", "starting", "attention", "offline")
ROW_WIDTH, ROW_HEIGHT = 500, 104
POINTED_S = 1.2  # Qt shows a tooltip when the pointer has rested for 0.7 s
MISSING_MODEL = "/media/disk/models/meadow-demo"


def take_panel(folder: Path, theme: str, here: Volunteer) -> None:
    """All states below one another, and the menu."""
    with running_studio(folder, here.base, theme) as studio:
        take_working(studio, here)
    with tempfile.TemporaryDirectory(prefix="meadow-panel-") as name:
        take_troubled(folder, theme, Path(name))
    rows = [folder / f"{_row(shape)}-{theme}.png" for shape in SHAPES]
    put_below_one_another(rows, folder / f"tray-states-{theme}.png")


def take_working(studio: Studio, here: Volunteer) -> None:
    """Not sharing, waiting, sharing with the menu, and paused; the window is closed meanwhile."""
    desktop = studio.desktop
    desktop.display.press("ctrl+w")
    desktop.wait_for("window-closed")
    take_state(studio, "off")
    change(here, share=True)
    take_state(studio, "waiting")
    change(here, mode="always")
    take_state(studio, "sharing")
    studio.click_icon(3)
    time.sleep(0.5)
    studio.take_corner("tray-menu", 420, 300)
    studio.display.press("Escape")
    here.ask("POST", "/api/pause", {"length": "1h"})
    take_state(studio, "paused")
    here.ask("POST", "/api/resume")
    change(here, share=None, mode=None)


def take_troubled(folder: Path, theme: str, base: Path) -> None:
    """An engine that starts, and finds no model; then nobody who starts another."""
    places = find_places(base)
    (base / "config").mkdir()
    settings = {"listen": [LOOPBACK], "model": MISSING_MODEL}
    lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
    (base / "config" / "settings.toml").write_text("\n".join(lines))
    keep_appearance(appearance_file(places), Appearance(notifications=False))  # one would cover the tooltip
    with running_studio(folder, base, theme, arguments=(), until="searching") as studio:
        with held_engine(studio):
            take_state(studio, "starting")
        take_state(studio, "attention")
    with running_studio(folder, base, theme, arguments=("--attach-only",), until="unreachable") as studio:
        take_state(studio, "offline")


def take_state(studio: Studio, shape: str) -> None:
    """The icon and its tooltip, once the engine is in this state."""
    studio.desktop.wait_for("engine", lambda event: event["shape"] == shape, timeout_s=60)
    for _attempt in range(5):  # news of the engine take a tooltip away
        studio.put_pointer_away()
        time.sleep(0.3)
        studio.point_at_icon()
        time.sleep(POINTED_S)
        row = studio.take_corner_now(_row(shape), ROW_WIDTH, ROW_HEIGHT)
        if not is_plain(row, ROW_HEIGHT - PANEL_HEIGHT):
            break
    else:
        raise AssertionError(f"the icon has no tooltip: {shape}")
    last = [event for event in studio.desktop.events if event["event"] == "engine"][-1]
    assert last["shape"] == shape, f"{shape} was over before its picture was taken"
    studio.put_pointer_away()


@contextmanager
def held_engine(studio: Studio) -> Iterator[None]:
    """The engine that the desktop has started comes no further meanwhile."""
    (engine,) = psutil.Process(studio.desktop.process.pid).children()
    engine.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        engine.send_signal(signal.SIGCONT)


def _row(shape: str) -> str:
    return f"tray-{shape}"
