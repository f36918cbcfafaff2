"""The app's start at login is switched where this person's desktop looks for it, with the files this engine uses."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from meadow_client.errors import MeadowError
from meadow_engine.api.places import find_places
from meadow_engine.autostart.app import base_dir_of, look_at_autostart, switch_autostart
from meadow_engine.autostart.choose import Surroundings


def run_nothing(command: Sequence[str], _variables: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    raise AssertionError(f"{command} was run")


def linux(home: Path) -> Surroundings:
    return Surroundings("linux", home, {}, runs_systemd=False, user=1000, run=run_nothing)


def test_switching_on_writes_an_entry_with_this_copys_files_and_off_removes_it(tmp_path: Path) -> None:
    here, places = linux(tmp_path), find_places(tmp_path / "copy")
    assert not look_at_autostart(here, has_desktop=True).is_on
    on = switch_autostart(True, places, here, has_desktop=True)
    assert (on.is_on, on.is_possible) == (True, True)
    entry = tmp_path / ".config" / "autostart" / "meadow.desktop"
    assert f"--base-dir {tmp_path / 'copy'}" in entry.read_text()
    assert str(entry) in on.description
    assert not switch_autostart(False, places, here, has_desktop=True).is_on
    assert not entry.exists()


def test_without_the_desktop_there_is_nothing_to_start(tmp_path: Path) -> None:
    here = linux(tmp_path)
    found = look_at_autostart(here, has_desktop=False)
    assert (found.is_on, found.is_possible) == (False, False)
    with pytest.raises(MeadowError) as caught:
        switch_autostart(True, find_places(tmp_path), here, has_desktop=False)
    assert "desktop is not installed" in str(caught.value)
    assert not switch_autostart(False, find_places(tmp_path), here, has_desktop=False).is_on


def test_the_systems_own_places_need_no_base_dir(tmp_path: Path) -> None:
    assert base_dir_of(find_places()) is None
    assert base_dir_of(find_places(tmp_path)) == tmp_path
