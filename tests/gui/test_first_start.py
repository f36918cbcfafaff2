"""The window of the first start, walked by keyboard alone in the real program; and that it comes only once."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from fakes.desktop_display import Display
from fakes.desktop_program import FAKE_ENGINE, DesktopProgram, Event, running_desktop

pytestmark = pytest.mark.display

WITH_ENGINE = ("--engine-command", f"{FAKE_ENGINE} --state off")


def focus_by_tab(display: Display, desktop: DesktopProgram, name: str) -> None:
    """Press Tab until this control has the keyboard, as somebody without a mouse does."""
    for _press in range(12):
        if focused(desktop, name):
            return
        display.press("Tab")
    raise AssertionError(f"Tab does not lead to {name}; the last was {reports(desktop)[-1]['focused']}")


def focused(desktop: DesktopProgram, name: str) -> bool:
    time.sleep(0.35)  # longer than between two reports
    return bool(reports(desktop)[-1]["focused"] == name)


def reports(desktop: DesktopProgram) -> list[Event]:
    return [each for each in list(desktop.events) if each["event"] == "controls"]


def test_the_first_start_is_walked_by_keyboard_and_shares_only_at_its_end(display: Display, tmp_path: Path) -> None:
    with running_desktop(display, tmp_path, "--no-tray", *WITH_ENGINE, is_welcomed=False) as desktop:
        desktop.wait_for("welcome-shown")
        desktop.wait_for("engine", lambda each: each["state"] == "connected")
        focus_by_tab(display, desktop, "welcome-continue")
        display.press("Return")

        desktop.wait_for_control("choose-share")
        assert not {"choose-share", "choose-chat"} & set(reports(desktop)[-1]["checked"])
        assert "welcome-continue" not in reports(desktop)[-1]["controls"]  # nothing is decided for anybody
        focus_by_tab(display, desktop, "choose-share")
        display.press("space")
        focus_by_tab(display, desktop, "welcome-continue")
        display.press("Return")

        desktop.wait_for_control("choose-join")
        focus_by_tab(display, desktop, "choose-default-swarm")
        display.press("Down")  # the next of the three choices
        focus_by_tab(display, desktop, "invitation")
        display.type("meadow://join?peer=somebody")
        focus_by_tab(display, desktop, "model")
        focus_by_tab(display, desktop, "welcome-continue")
        display.press("Return")

        desktop.wait_for_control("start-at-login")
        focus_by_tab(display, desktop, "start-at-login")
        display.press("space")
        sharing_yet = [each for each in desktop.events if each["event"] == "engine" and each["shape"] == "sharing"]
        assert not sharing_yet
        assert not [each for each in desktop.events if each["event"] == "window-shown"]
        focus_by_tab(display, desktop, "welcome-continue")
        mark = desktop.place
        display.press("Return")

        desktop.wait_for("welcomed", since=mark)
        desktop.wait_for("window-shown", since=mark)
        desktop.wait_for("engine", lambda each: each["shape"] == "sharing", since=mark)
        desktop.wait_for_control("composer-text")
        display.press("ctrl+q")
        assert desktop.end() == 0

    with running_desktop(display, tmp_path, "--no-tray", *WITH_ENGINE, is_welcomed=False) as again:
        again.wait_for("window-shown")
        again.wait_for_control("composer-text")
        assert not [each for each in again.events if each["event"] == "welcome-shown"]


def test_closing_the_first_window_shares_nothing_and_it_comes_again(display: Display, tmp_path: Path) -> None:
    with running_desktop(display, tmp_path, "--no-tray", *WITH_ENGINE, is_welcomed=False) as desktop:
        desktop.wait_for("engine", lambda each: each["state"] == "connected")
        desktop.wait_for_control("welcome-continue")
        display.press("Escape")
        desktop.wait_for("window-shown")
        assert not [each for each in desktop.events if each["event"] == "welcomed"]
        assert not [each for each in desktop.events if each["event"] == "engine" and each["shape"] == "sharing"]

    with running_desktop(display, tmp_path, "--no-tray", *WITH_ENGINE, is_welcomed=False) as again:
        again.wait_for("welcome-shown")
