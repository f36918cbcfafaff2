"""Every system has its way; where there is none, that is said."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from meadow_engine.autostart.choose import Surroundings, choose, find_surroundings
from meadow_engine.autostart.desktop_entry import DesktopEntry
from meadow_engine.autostart.interface import Autostart, AutostartUnavailableError, run_program
from meadow_engine.autostart.launch_agent import LaunchAgent
from meadow_engine.autostart.run_key import RunKey
from meadow_engine.autostart.systemd_unit import SystemdUnit


def run_nothing(command: Sequence[str], _variables: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    raise AssertionError(f"{command} was run")


LINUX = Surroundings("linux", Path("/home/me"), {}, runs_systemd=True, user=1000, run=run_nothing)


@pytest.mark.parametrize(
    ("platform", "is_headless", "way"),
    [
        ("linux", True, SystemdUnit),
        ("linux", False, DesktopEntry),
        ("freebsd14", False, DesktopEntry),
        ("darwin", True, LaunchAgent),
        ("darwin", False, LaunchAgent),
        ("win32", True, RunKey),
        ("win32", False, RunKey),
    ],
)
def test_each_system_has_its_way(platform: str, is_headless: bool, way: type[Autostart]) -> None:
    assert isinstance(choose(is_headless=is_headless, here=replace(LINUX, platform=platform)), way)


def test_without_systemd_the_engine_alone_cannot_start_by_itself() -> None:
    here = replace(LINUX, runs_systemd=False)
    with pytest.raises(AutostartUnavailableError) as caught:
        choose(is_headless=True, here=here)
    assert "meadow --no-gui" in caught.value.advice
    assert isinstance(choose(is_headless=False, here=here), DesktopEntry)


@pytest.mark.parametrize(
    ("variables", "folder"),
    [({}, "/home/me/.config"), ({"XDG_CONFIG_HOME": "/c"}, "/c"), ({"XDG_CONFIG_HOME": "c"}, "/home/me/.config")],
)
def test_entries_lie_where_this_person_keeps_configuration(variables: dict[str, str], folder: str) -> None:
    assert f"{folder}/autostart/" in choose(is_headless=False, here=replace(LINUX, variables=variables)).describe()


def test_the_system_as_it_is_can_be_asked() -> None:
    assert find_surroundings().home == Path.home()


def test_programs_that_are_missing_are_no_crash() -> None:
    done = run_program(["/nowhere/systemctl"], {})
    assert (done.returncode, done.stderr) == (127, "/nowhere/systemctl: No such file or directory")
    assert run_program(["/bin/sh", "-c", "echo $A; exit 5"], {"A": "b"}).stdout == "b\n"
