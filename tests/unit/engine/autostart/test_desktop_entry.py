"""The autostart entry: desktops read from it the command that was written into it."""

from __future__ import annotations

import ctypes.util
import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from fakes.processes import wait_until
from meadow_engine.autostart.desktop_entry import DesktopEntry, entry_text
from meadow_engine.autostart.interface import AutostartRefusedError

COMMAND = ["/usr/bin/meadow"]

HARD_WORDS = ["a b", "100 %", "%f", "$HOME", "`x`", 'say "hi"', "it's", "\\", "\\\\n", "", ";", "~", "#", "été", "草地"]

# What GNOME does at login, without GNOME.
LAUNCH = """
import ctypes, sys
gio = ctypes.CDLL(sys.argv[1])
gio.g_desktop_app_info_new_from_filename.restype = ctypes.c_void_p
gio.g_app_info_launch.argtypes = [ctypes.c_void_p] * 4
entry = gio.g_desktop_app_info_new_from_filename(sys.argv[2].encode())
sys.exit(0 if entry and gio.g_app_info_launch(entry, None, None, None) else 1)
"""


def exec_line(command: Sequence[str]) -> str:
    return next(line for line in entry_text(command).splitlines() if line.startswith("Exec="))


def test_asking_whether_it_is_on_writes_nothing(tmp_path: Path) -> None:
    entry = DesktopEntry(tmp_path)
    assert not entry.is_on()
    assert str(tmp_path) in entry.describe()
    assert list(tmp_path.iterdir()) == []


def test_it_is_on_after_switching_on_and_off_after_switching_off(tmp_path: Path) -> None:
    entry = DesktopEntry(tmp_path)
    for _ in range(2):
        entry.switch_on(COMMAND)
        assert entry.is_on()
    for _ in range(2):
        entry.switch_off()
        assert not entry.is_on()
    assert not entry.path.exists()


@pytest.mark.parametrize("line", ["Hidden=true", "X-GNOME-Autostart-enabled=false", "Hidden = true"])
def test_what_was_switched_off_in_the_desktops_own_settings_is_off(tmp_path: Path, line: str) -> None:
    entry = DesktopEntry(tmp_path)
    entry.switch_on(COMMAND)
    entry.path.write_text(entry.path.read_text() + line + "\n")
    assert not entry.is_on()
    entry.switch_on(COMMAND)
    assert entry.is_on()


def test_a_linked_entry_is_changed_where_it_lies(tmp_path: Path) -> None:
    (tmp_path / "autostart").mkdir()
    (tmp_path / "dotfiles").write_text("old")
    (tmp_path / "autostart" / "meadow.desktop").symlink_to(tmp_path / "dotfiles")
    DesktopEntry(tmp_path).switch_on(COMMAND)
    assert "Exec=/usr/bin/meadow\n" in (tmp_path / "dotfiles").read_text()
    assert (tmp_path / "autostart" / "meadow.desktop").is_symlink()


def test_a_folder_that_cannot_be_written_is_one_sentence_and_advice(tmp_path: Path) -> None:
    (tmp_path / "autostart").write_text("a file where the folder would be")
    entry = DesktopEntry(tmp_path)
    with pytest.raises(AutostartRefusedError, match="cannot be written") as caught:
        entry.switch_on(COMMAND)
    assert caught.value.advice
    assert not entry.is_on()
    entry.switch_off()


def test_an_entry_that_cannot_be_removed_is_told(tmp_path: Path) -> None:
    entry = DesktopEntry(tmp_path)
    entry.path.mkdir(parents=True)
    with pytest.raises(AutostartRefusedError, match="cannot be removed"):
        entry.switch_off()


@pytest.mark.parametrize(
    ("command", "line"),
    [
        (["/usr/bin/meadow", "--base-dir", "/x"], "/usr/bin/meadow --base-dir /x"),
        (["/m", "a b"], '/m "a b"'),
        (["/m", 'say "hi"'], r'/m "say \\"hi\\""'),
        (["/m", "$HOME"], r'/m "\\$HOME"'),
        (["/m", "\\"], r'/m "\\\\"'),
        (["/m", "100 %"], '/m "100 %%"'),
        (["/a=b/m"], r'/bin/sh -c "exec \\"\\$0\\" \\"\\$@\\"" "/a=b/m"'),
        (["/100%/m"], r'/bin/sh -c "exec \\"\\$0\\" \\"\\$@\\"" "/100%%/m"'),
    ],
)
def test_a_command_is_quoted_by_the_specifications_rules(command: list[str], line: str) -> None:
    assert exec_line(command) == f"Exec={line}"


@pytest.mark.skipif(shutil.which("desktop-file-validate") is None, reason="desktop-file-validate is not installed")
def test_the_validator_finds_nothing_wrong_with_the_entry(tmp_path: Path) -> None:
    entry = DesktopEntry(tmp_path)
    for program in ("/usr/bin/meadow", "/a b/it's/meadow", "/100%/meadow", "/été/meadow"):
        entry.switch_on([program, *HARD_WORDS])
        checked = subprocess.run(["desktop-file-validate", entry.path], capture_output=True, text=True, check=False)
        assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")
    entry.path.write_text(entry.path.read_text().replace("Type=Application\n", ""))
    assert subprocess.run(["desktop-file-validate", entry.path], capture_output=True, check=False).returncode == 1


@pytest.mark.skipif(ctypes.util.find_library("gio-2.0") is None, reason="GLib is not installed")
@pytest.mark.parametrize("folder", ["plain", "a b", "100%h $HOME", 'l\'été "q" `x` \\ back', "a=b", "草地"])
def test_gnomes_library_starts_the_program_with_the_same_words(tmp_path: Path, folder: str) -> None:
    said = tmp_path / "said"
    program = tmp_path / folder / "meadow"
    program.parent.mkdir()
    program.write_text(
        f"#!{sys.executable}\nimport json, os, sys\n"
        f"with open({str(said) + '.new'!r}, 'w') as file:\n    json.dump(sys.argv, file)\n"
        f"os.replace({str(said) + '.new'!r}, {str(said)!r})\n"
    )
    program.chmod(0o755)
    command = [str(program), "--base-dir", str(program.parent), *HARD_WORDS]
    entry = DesktopEntry(tmp_path)
    entry.switch_on(command)
    library = ctypes.util.find_library("gio-2.0")
    subprocess.run([sys.executable, "-c", LAUNCH, str(library), str(entry.path)], check=True, timeout=30)
    wait_until(said.exists, what="the program's start")
    assert json.loads(said.read_text()) == command
