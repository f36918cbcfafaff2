"""`meadow autostart` as people and scripts use it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from meadow_engine.autostart import choose as choose_module
from meadow_engine.autostart.choose import Surroundings
from meadow_engine.autostart.interface import run_program
from meadow_engine.cli import main as main_module
from meadow_engine.cli.main import main

Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Linux computer without systemd, and a person who has nothing yet."""
    here = Surroundings("linux", tmp_path / "home", {}, runs_systemd=False, user=1000, run=run_program)
    monkeypatch.setattr(choose_module, "find_surroundings", lambda: here)
    monkeypatch.setattr(main_module, "set_up_logging", lambda **_: None)
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: object())
    return here.home


def entry(home: Path) -> Path:
    return home / ".config" / "autostart" / "meadow.desktop"


def test_it_is_off_until_asked(home: Path, capsys: Captured) -> None:
    assert main(["autostart", "status"]) == 0
    assert capsys.readouterr().out == "app:    off\nengine: off\n"
    assert not home.exists()


def test_on_and_off_say_what_was_done(home: Path, capsys: Captured, tmp_path: Path) -> None:
    assert main(["autostart", "on", "--base-dir", str(tmp_path / "my files")]) == 0
    said = capsys.readouterr().out
    assert said == f"app:    on — the autostart entry {entry(home)} starts the app when you log in to the desktop\n"
    assert f'--base-dir "{tmp_path}/my files"\n' in entry(home).read_text()
    assert main(["autostart", "off"]) == 0
    assert capsys.readouterr().out == "app:    off\nengine: off\n"
    assert not entry(home).exists()


def test_scripts_get_one_object(home: Path, capsys: Captured) -> None:
    assert main(["autostart", "on", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["app"]["is_on"] is True
    assert main(["autostart", "status", "--json"]) == 0
    status = json.loads(capsys.readouterr().out)
    assert status["app"]["is_on"] is True
    assert str(entry(home)) in status["app"]["description"]
    assert status["engine"] == {
        "is_on": False,
        "description": "This system has no systemd that could start the engine",
    }


def test_what_this_system_cannot_do_is_one_sentence_and_advice(capsys: Captured) -> None:
    assert main(["autostart", "on", "--headless"]) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("meadow: This system has no systemd that could start the engine.\nLet what")


def test_a_folder_that_cannot_be_written_is_one_sentence_and_advice(home: Path, capsys: Captured) -> None:
    home.write_text("a file where the folder would be")
    assert main(["autostart", "on"]) == 1
    assert capsys.readouterr().err.count("\n") == 2
    assert main(["autostart", "off"]) == 0


def test_an_app_that_is_not_installed_is_not_started(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    assert main(["autostart", "on"]) == 1
    assert "--headless" in capsys.readouterr().err


@pytest.mark.parametrize("typed", [["autostart"], ["autostart", "perhaps"]], ids=" ".join)
def test_what_cannot_be_meant_is_wrong_usage(typed: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(typed)
    assert caught.value.code == 2
