"""The systemd unit: written, wanted at login, gone again; and systemd itself reads it as it is meant."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from meadow_engine.autostart.interface import AutostartRefusedError, run_program
from meadow_engine.autostart.systemd_unit import UNIT, SystemdUnit, unit_text

COMMAND = ["/usr/bin/meadow", "--no-gui"]

needs_systemctl = pytest.mark.skipif(shutil.which("systemctl") is None, reason="systemctl is not installed")
needs_analyze = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")


class FakeSystemctl:
    """`systemctl --user` as far as links go."""

    def __init__(self, *, is_willing: bool = True) -> None:
        self.is_willing = is_willing
        self.asked: list[str] = []

    def __call__(self, command: Sequence[str], variables: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        assert command[:3] == ["systemctl", "--user", "--quiet"]
        self.asked.append(" ".join(command[3:]))
        folder = Path(variables["XDG_CONFIG_HOME"]) / "systemd" / "user"
        link = folder / "default.target.wants" / UNIT
        if not self.is_willing:
            return subprocess.CompletedProcess(command, 1, "", "first line\nFailed to enable unit: it is masked\n")
        if command[3] == "enable":
            link.parent.mkdir(exist_ok=True)
            link.unlink(missing_ok=True)
            link.symlink_to(folder / UNIT)
        elif command[3] == "disable":
            link.unlink(missing_ok=True)
        return subprocess.CompletedProcess(command, 0, "", "")


def exec_line(command: Sequence[str]) -> str:
    return next(line for line in unit_text(command).splitlines() if line.startswith("ExecStart="))


def test_asking_whether_it_is_on_writes_nothing(tmp_path: Path) -> None:
    systemctl = FakeSystemctl()
    unit = SystemdUnit(tmp_path, systemctl)
    assert not unit.is_on()
    assert str(tmp_path) in unit.describe()
    assert list(tmp_path.iterdir()) == []
    assert systemctl.asked == []


def test_it_is_on_after_switching_on_and_off_after_switching_off(tmp_path: Path) -> None:
    systemctl = FakeSystemctl()
    unit = SystemdUnit(tmp_path, systemctl)
    for _ in range(2):
        unit.switch_on(COMMAND)
        assert unit.is_on()
    assert systemctl.asked == ["enable meadow.service", "daemon-reload"] * 2
    for _ in range(2):
        unit.switch_off()
        assert not unit.is_on()
    assert not [path for path in tmp_path.rglob("*") if not path.is_dir()]


def test_switching_on_again_writes_the_newer_command(tmp_path: Path) -> None:
    unit = SystemdUnit(tmp_path, FakeSystemctl())
    unit.switch_on(["/old/meadow"])
    unit.switch_on(["/new/meadow"])
    assert "/old" not in unit.path.read_text()


def test_what_systemd_says_is_passed_on(tmp_path: Path) -> None:
    with pytest.raises(AutostartRefusedError, match="Failed to enable unit: it is masked"):
        SystemdUnit(tmp_path, FakeSystemctl(is_willing=False)).switch_on(COMMAND)


def test_it_can_be_switched_off_when_systemctl_is_gone(tmp_path: Path) -> None:
    SystemdUnit(tmp_path, FakeSystemctl()).switch_on(COMMAND)
    unit = SystemdUnit(tmp_path, FakeSystemctl(is_willing=False))
    unit.switch_off()
    assert not unit.is_on()


def test_a_folder_that_cannot_be_written_is_one_sentence_and_advice(tmp_path: Path) -> None:
    (tmp_path / "systemd").write_text("a file where the folder would be")
    unit = SystemdUnit(tmp_path, FakeSystemctl())
    with pytest.raises(AutostartRefusedError, match="cannot be written") as caught:
        unit.switch_on(COMMAND)
    assert caught.value.advice
    unit.switch_off()


@pytest.mark.parametrize(
    ("command", "line"),
    [
        (["/usr/bin/meadow", "--no-gui"], "/usr/bin/meadow --no-gui"),
        (["/m", "a b"], '/m "a b"'),
        (["/m", 'say "hi"'], '/m "say \\"hi\\""'),
        (["/m", "it's"], '/m "it\'s"'),
        (["/m", "back\\slash"], '/m "back\\\\slash"'),
        (["/m", "100%", "%h"], '/m "100%%" "%%h"'),
        (["/m", "$HOME ${HOME}"], '/m "$HOME ${HOME}"'),
        (["/m", ";"], '/m ";"'),
        (["/m", ""], '/m ""'),
        (["/草地/m", "été"], '"/草地/m" "été"'),
        (['/a "b"/m', "x"], '/bin/sh -c "exec \\"$0\\" \\"$@\\"" "/a \\"b\\"/m" x'),
    ],
)
def test_a_command_is_quoted_by_systemds_rules(command: list[str], line: str) -> None:
    assert exec_line(command) == f"ExecStart=:{line}"


@needs_systemctl
def test_the_real_systemctl_makes_and_removes_the_link(tmp_path: Path) -> None:
    unit = SystemdUnit(tmp_path, run_program)
    unit.switch_on(COMMAND)
    assert unit.is_on()
    unit.switch_off()
    assert not unit.is_on()


@needs_analyze
@pytest.mark.parametrize("folder", ["plain", "a b", "100%h $HOME", 'l\'été "q" \\ back', "草地"])
def test_systemd_finds_nothing_wrong_with_the_unit_wherever_meadow_lies(tmp_path: Path, folder: str) -> None:
    program = tmp_path / folder / "meadow"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    assert verify([str(program), "--no-gui", "--base-dir", str(tmp_path / folder)], tmp_path) == ""


@needs_analyze
def test_systemd_would_complain_about_a_path_that_is_read_otherwise(tmp_path: Path) -> None:
    assert "not executable" in verify([str(tmp_path / "meadow")], tmp_path)


def verify(command: Sequence[str], tmp_path: Path) -> str:
    """What `systemd-analyze` says about the unit."""
    (tmp_path / "run").mkdir(mode=0o700)
    path = tmp_path / "units" / UNIT
    path.parent.mkdir()
    path.write_text(unit_text(command))
    done = run_program(["systemd-analyze", "--user", "verify", str(path)], {"XDG_RUNTIME_DIR": str(tmp_path / "run")})
    return done.stdout + done.stderr
