"""Pictures of the panel: the icon in every state, put side by side, and the tray's menu."""

from __future__ import annotations

import time
from pathlib import Path

from fakes.volunteer import Volunteer
from gui.pictures.studio import PANEL_HEIGHT, Studio

ICON_WIDTH = 26


def take_panel(studio: Studio, here: Volunteer) -> None:
    """Not sharing, waiting, sharing with the menu, and paused; the window is closed meanwhile."""
    desktop, icons = studio.desktop, []
    desktop.display.press("ctrl+w")
    desktop.wait_for("window-closed")
    icons.append(take_icon(studio, "off"))
    change(here, share=True)
    icons.append(take_icon(studio, "waiting"))
    change(here, mode="always")
    icons.append(take_icon(studio, "sharing"))
    studio.click_icon(3)
    time.sleep(0.5)
    studio.take_corner("tray-menu", 420, 300)
    studio.display.press("Escape")
    here.ask("POST", "/api/pause", {"length": "1h"})
    icons.append(take_icon(studio, "paused"))
    studio.put_side_by_side("tray-icons", icons)
    here.ask("POST", "/api/resume")
    change(here, share=None, mode=None)
    mark = desktop.place
    studio.click_icon()
    desktop.wait_for("window-shown", since=mark)
    studio.put_pointer_away()


def take_icon(studio: Studio, shape: str) -> Path:
    """The icon, once the engine is in this state."""
    studio.desktop.wait_for("engine", lambda event: event["shape"] == shape, timeout_s=60)
    return studio.take_corner(f"tray-icon-{shape}", ICON_WIDTH, PANEL_HEIGHT)


def change(here: Volunteer, **values: object) -> None:
    """Write settings, as the settings page does; None goes back to the default."""
    reply = here.ask("PATCH", "/api/settings", {"values": values})
    assert reply.status_code == 200, reply.text
