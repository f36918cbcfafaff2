"""The launch agent, as macOS' documentation has it. Nothing here ran on a Mac."""

from __future__ import annotations

import plistlib
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from meadow_engine.autostart.interface import AutostartRefusedError
from meadow_engine.autostart.launch_agent import LaunchAgent

COMMAND = ["/Applications/My Meadow/meadow", "--base-dir", "/Users/été/<a> & \"b\" 100% $HOME '草'"]


class FakeLaunchctl:
    """Knows which agents somebody has disabled."""

    def __init__(self, disabled: str = "") -> None:
        self.disabled = disabled
        self.asked: list[str] = []

    def __call__(self, command: Sequence[str], _variables: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        self.asked.append(" ".join(command))
        if command[1] == "enable":
            self.disabled = ""
        return subprocess.CompletedProcess(command, 0, self.disabled, "")


def agent(home: Path, launchctl: FakeLaunchctl, *, is_headless: bool = True) -> LaunchAgent:
    return LaunchAgent(home, launchctl, is_headless=is_headless, user=501)


def test_asking_whether_it_is_on_writes_nothing(tmp_path: Path) -> None:
    made = agent(tmp_path, FakeLaunchctl())
    assert not made.is_on()
    assert "org.meadow.engine.plist" in made.describe()
    assert list(tmp_path.iterdir()) == []


def test_it_is_on_after_switching_on_and_off_after_switching_off(tmp_path: Path) -> None:
    made = agent(tmp_path, FakeLaunchctl())
    for _ in range(2):
        made.switch_on(COMMAND)
        assert made.is_on()
    for _ in range(2):
        made.switch_off()
        assert not made.is_on()
    assert not made.path.exists()


def test_the_engine_starts_at_login_and_after_a_crash_but_not_after_it_was_ended(tmp_path: Path) -> None:
    made = agent(tmp_path, FakeLaunchctl())
    made.switch_on(COMMAND)
    written = plistlib.loads(made.path.read_bytes())
    assert written["Label"] == made.path.stem
    assert written["ProgramArguments"] == COMMAND
    assert written["RunAtLoad"] is True
    assert written["KeepAlive"] == {"SuccessfulExit": False}


def test_the_app_starts_in_a_graphical_session_only_and_is_not_restarted(tmp_path: Path) -> None:
    made = agent(tmp_path, FakeLaunchctl(), is_headless=False)
    made.switch_on(COMMAND)
    written = plistlib.loads(made.path.read_bytes())
    assert written["LimitLoadToSessionType"] == "Aqua"
    assert "KeepAlive" not in written
    assert not agent(tmp_path, FakeLaunchctl()).is_on()


@pytest.mark.parametrize("word", ["disabled", "true"])
def test_what_was_disabled_is_off_until_it_is_switched_on(tmp_path: Path, word: str) -> None:
    launchctl = FakeLaunchctl(f'\tdisabled services = {{\n\t\t"org.meadow.engine" => {word}\n\t}}\n')
    made = agent(tmp_path, FakeLaunchctl())
    made.switch_on(COMMAND)
    made = agent(tmp_path, launchctl)
    assert not made.is_on()
    made.switch_on(COMMAND)
    assert "launchctl enable gui/501/org.meadow.engine" in launchctl.asked
    assert made.is_on()


@pytest.mark.parametrize("line", ['"org.meadow.engine" => enabled', '"org.meadow.engine2" => disabled'])
def test_other_lines_of_launchctl_say_nothing_about_it(tmp_path: Path, line: str) -> None:
    made = agent(tmp_path, FakeLaunchctl())
    made.switch_on(COMMAND)
    assert agent(tmp_path, FakeLaunchctl(line)).is_on()


def test_a_folder_that_cannot_be_written_is_one_sentence_and_advice(tmp_path: Path) -> None:
    (tmp_path / "Library").write_text("a file where the folder would be")
    with pytest.raises(AutostartRefusedError, match="cannot be written") as caught:
        agent(tmp_path, FakeLaunchctl()).switch_on(COMMAND)
    assert caught.value.advice
