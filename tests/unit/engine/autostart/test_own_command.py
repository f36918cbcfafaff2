"""The command that starts this Meadow again, from anywhere."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from meadow_engine.autostart.interface import AutostartRefusedError
from meadow_engine.autostart.own_command import find_program, own_command


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "bin" / "meadow"
    path.parent.mkdir()
    path.touch(mode=0o755)
    return path


def test_the_script_that_was_started_is_started_again(script: Path) -> None:
    assert find_program(str(script)) == [str(script)]


def test_a_relative_script_is_written_with_its_whole_path(script: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(script.parent)
    assert find_program("./meadow") == [str(script)]


def test_a_link_to_the_script_stays_a_link(script: Path, tmp_path: Path) -> None:
    link = tmp_path / "meadow"
    link.symlink_to(script)
    assert find_program(str(link)) == [str(link)]


@pytest.mark.parametrize("started_as", ["/usr/lib/meadow_engine/__main__.py", "-c", "", "/nowhere/meadow"])
def test_otherwise_this_python_runs_the_module(started_as: str) -> None:
    assert find_program(started_as, "/opt/python") == ["/opt/python", "-m", "meadow_engine"]


def test_a_script_that_cannot_be_run_is_not_written(script: Path) -> None:
    script.chmod(0o644)
    assert find_program(str(script))[1:] == ["-m", "meadow_engine"]


def test_on_windows_the_starter_is_found_without_its_ending(tmp_path: Path) -> None:
    (tmp_path / "meadow.exe").touch(mode=0o755)
    assert find_program(str(tmp_path / "meadow"), platform="win32") == [str(tmp_path / "meadow.exe")]


def test_on_windows_no_console_opens_at_login(tmp_path: Path) -> None:
    (tmp_path / "pythonw.exe").touch()
    found = find_program("-c", str(tmp_path / "python.exe"), "win32")
    assert found == [str(tmp_path / "pythonw.exe"), "-m", "meadow_engine"]


def test_the_python_of_a_virtual_environment_is_not_replaced_by_the_one_behind_it() -> None:
    assert find_program("-c") == [sys.executable, "-m", "meadow_engine"]


def test_app_and_engine_are_started_with_the_files_of_this_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert own_command(is_headless=False, base_dir=None, program=["/bin/meadow"]) == ["/bin/meadow"]
    assert own_command(is_headless=True, base_dir=Path("b"), program=["/bin/meadow"]) == [
        "/bin/meadow",
        "--no-gui",
        "--base-dir",
        str(tmp_path / "b"),
    ]


@pytest.mark.parametrize("name", ["two\nlines", "bell\a", "no text \udcff", "para\u2029graph"])
def test_names_that_no_text_file_can_hold_are_refused(name: str) -> None:
    with pytest.raises(AutostartRefusedError) as caught:
        own_command(is_headless=True, base_dir=Path("/") / name, program=["/bin/meadow"])
    assert caught.value.advice
    str(caught.value).encode()


@pytest.mark.parametrize("name", ["Wiese und Weide", "草地　二", "l'été", "100 %"])
def test_names_in_any_language_are_taken(name: str) -> None:
    assert own_command(is_headless=False, base_dir=Path("/") / name, program=["/m"])[-1] == f"/{name}"
