"""The tray as a panel sees it, and what happens without a panel."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from fakes.desktop_display import Display
from fakes.desktop_program import DesktopProgram, running_desktop
from fakes.desktop_tray_host import TrayHost, running_tray_host
from gui.pictures.studio import missing_for_pictures, running_panel
from meadow_desktop.tray.host_watch import RESTART_MS

pytestmark = pytest.mark.display

QUIT = "Quit this window; the engine goes on"  # the stand-in engine was not started by the window


def test_a_panel_sees_icon_and_menu_and_its_clicks_arrive(
    display: Display, tray_host: TrayHost, tmp_path: Path
) -> None:
    with running_desktop(display, tmp_path, "--fake-engine", "off") as desktop:
        started = desktop.wait_for("started")
        assert started["tray_host"]
        tray_host.wait_for_item()
        tray_host.wait_for_menu(lambda menu: "Not sharing" in menu)
        assert [entry["label"] for entry in tray_host.menu()] == [
            "Not sharing",
            "Share this computer",
            "Open chat",
            "Credits",
            "Settings",
            QUIT,
        ]
        menu = {entry["label"]: entry for entry in tray_host.menu()}
        assert menu["Not sharing"]["enabled"] is False
        assert menu["Share this computer"].get("toggle-state", 0) == 0
        icon_off = tray_host.icon_bytes()
        assert "Not sharing" in tray_host.tooltip()

        tray_host.choose("Share this computer")
        tray_host.wait_for_menu(lambda menu: menu["Share this computer"].get("toggle-state") == 1)
        tray_host.wait_for_menu(lambda menu: "Sharing layers 0–2 of meadow-demo" in menu)
        assert tray_host.icon_bytes() != icon_off

        assert not [event for event in desktop.events if event["event"] == "window-shown"]
        tray_host.choose("Open chat")
        desktop.wait_for("window-shown")
        desktop.wait_for_control("composer-text")
        display.press("ctrl+w")
        desktop.wait_for("window-closed")
        mark = desktop.place
        tray_host.activate()
        desktop.wait_for("window-shown", since=mark)

        tray_host.choose("Settings")
        desktop.wait_for("page-shown", lambda event: event["name"] == "settings")
        tray_host.choose(QUIT)
        assert desktop.end() == 0


def test_a_pause_is_chosen_in_the_panel_s_menu_and_ended_there(
    display: Display, tray_host: TrayHost, tmp_path: Path
) -> None:
    with running_desktop(display, tmp_path, "--fake-engine", "sharing"):
        tray_host.wait_for_item()
        tray_host.wait_for_menu(lambda menu: "Sharing layers 0–2 of meadow-demo" in menu)
        (pause,) = [entry for entry in tray_host.menu() if entry["label"] == "Pause"]
        assert [entry["label"] for entry in pause["entries"]] == [
            "30 minutes",
            "1 hour",
            "4 hours",
            "Until Meadow is restarted",
            "Until I resume",
        ]
        tray_host.choose("Pause", "1 hour")
        tray_host.wait_for_menu(lambda menu: "Paused: 1 hour left" in menu)
        menu = {entry["label"]: entry for entry in tray_host.menu()}
        assert menu["Share this computer"]["toggle-state"] == 1  # who pauses still agrees to share
        assert "Pause" not in menu
        tray_host.choose("Resume sharing")
        tray_host.wait_for_menu(lambda menu: "Sharing layers 0–2 of meadow-demo" in menu and "Pause" in menu)


def test_sharing_that_waits_for_the_person_begins_anyway(display: Display, tray_host: TrayHost, tmp_path: Path) -> None:
    with running_desktop(display, tmp_path, "--fake-engine", "waiting"):
        tray_host.wait_for_item()
        tray_host.wait_for_menu(lambda menu: "Waiting: you are here" in menu)
        tray_host.choose("Share anyway for 1 hour")
        tray_host.wait_for_menu(lambda menu: "Sharing layers 0–2 of meadow-demo" in menu)
        assert "Share anyway for 1 hour" not in [entry["label"] for entry in tray_host.menu()]


def test_without_a_panel_the_window_serves_and_closing_it_ends_the_program(display: Display, tmp_path: Path) -> None:
    with running_desktop(display, tmp_path, "--fake-engine", "off") as desktop:
        assert not desktop.wait_for("started")["tray_host"]
        desktop.wait_for("window-shown")
        desktop.click("share")
        desktop.wait_for("engine", lambda event: event["shape"] == "sharing")
        mark = desktop.place
        desktop.click("share")
        desktop.wait_for("engine", lambda event: event["shape"] == "off", since=mark)
        display.press("ctrl+w")
        assert desktop.end() == 0


@pytest.mark.parametrize("arguments", [["--no-tray"], ["--chat"]])
def test_the_window_can_be_asked_for(
    display: Display, tray_host: TrayHost, tmp_path: Path, arguments: list[str]
) -> None:
    with running_desktop(display, tmp_path, "--fake-engine", "sharing", *arguments) as desktop:
        desktop.wait_for("window-shown")
        assert bool(tray_host.items) == ("--no-tray" not in arguments)


def test_a_window_comes_when_the_panel_goes_and_the_icon_when_it_returns(
    display: Display, tray_host: TrayHost, tmp_path: Path
) -> None:
    with running_desktop(display, tmp_path, "--fake-engine", "sharing") as desktop:
        tray_host.wait_for_item()
        tray_host.stop_owning()
        desktop.wait_for("tray-host", lambda event: not event["present"])
        desktop.wait_for("window-shown")
        tray_host.own_again()
        desktop.wait_for("tray-host", lambda event: event["present"])
        tray_host.wait_for_item()
        tray_host.wait_for_menu(lambda menu: "Sharing layers 0–2 of meadow-demo" in menu)
        tray_host.choose("Share this computer")
        desktop.wait_for("engine", lambda event: event["shape"] == "off")


def test_a_panel_that_is_started_again_brings_up_no_window(
    display: Display, tray_host: TrayHost, tmp_path: Path
) -> None:
    with running_desktop(display, tmp_path, "--fake-engine", "sharing") as desktop:
        tray_host.wait_for_item()
        tray_host.stop_owning()
        desktop.wait_for("tray-host", lambda event: not event["present"])
        tray_host.own_again()
        tray_host.wait_for_item()
        time.sleep(RESTART_MS / 1000 + 0.5)
        assert not [event for event in desktop.events if event["event"] == "window-shown"]


def test_a_panel_that_comes_late_gets_the_icon(display: Display, tmp_path: Path) -> None:
    with running_desktop(display, tmp_path, "--fake-engine", "off") as desktop:
        desktop.wait_for("window-shown")
        with running_tray_host(display.bus) as tray_host:
            tray_host.wait_for_item()
            tray_host.wait_for_menu(lambda menu: "Not sharing" in menu)
            close_window(desktop)
            mark = desktop.place
            tray_host.activate()
            desktop.wait_for("window-shown", since=mark)


@pytest.mark.skipif(bool(missing_for_pictures()), reason="the panel of the pictures is not installed")
def test_the_icon_moves_to_a_panel_of_the_older_kind(display: Display, tray_host: TrayHost, tmp_path: Path) -> None:
    with running_desktop(display, tmp_path, "--fake-engine", "off") as desktop:
        tray_host.wait_for_item()
        with running_panel(display, "light"):
            tray_host.stop_owning()
            desktop.wait_for("tray-host", lambda event: event["present"])
            assert not [event for event in desktop.events if event["event"] == "window-shown"]
            press_icon(desktop)
            close_window(desktop)
            mark = desktop.place
        desktop.wait_for("window-shown", since=mark)  # that panel goes, too


def press_icon(desktop: DesktopProgram) -> None:
    """In the screen's lower right corner, as soon as it has got there."""
    for _attempt in range(20):
        desktop.display.click(1100 - 12, 800 - 12)
        time.sleep(0.5)
        if any(event["event"] == "window-shown" for event in desktop.events):
            return
    raise AssertionError("there is no icon in the corner")


def close_window(desktop: DesktopProgram) -> None:
    """As somebody who wants nothing but the icon."""
    desktop.click("composer-text")
    desktop.display.press("ctrl+w")
    desktop.wait_for("window-closed")
