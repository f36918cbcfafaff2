"""One engine for each base folder."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from meadow_engine.instance_lock import AlreadyRunningError, instance_lock

HOLD = """
import sys, pathlib
from meadow_engine.instance_lock import instance_lock
with instance_lock(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def hold(path: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_second_process_is_told_that_one_runs(tmp_path: Path) -> None:
    with hold(tmp_path / "run" / "lock"), pytest.raises(AlreadyRunningError), instance_lock(tmp_path / "run" / "lock"):
        pass


def test_a_killed_process_leaves_no_lock_behind(tmp_path: Path) -> None:
    with hold(tmp_path / "lock") as process:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        with instance_lock(tmp_path / "lock"):
            pass


def test_the_lock_can_be_taken_again_after_it_was_given_back(tmp_path: Path) -> None:
    for _ in range(2):
        with instance_lock(tmp_path / "lock"):
            pass


def test_a_failure_gives_the_lock_back(tmp_path: Path) -> None:
    with pytest.raises(KeyError), instance_lock(tmp_path / "lock"):
        raise KeyError
    with instance_lock(tmp_path / "lock"):
        pass


def test_other_folders_have_locks_of_their_own(tmp_path: Path) -> None:
    with instance_lock(tmp_path / "one"), instance_lock(tmp_path / "other"):
        pass


def test_the_lock_is_for_its_owner_only(tmp_path: Path) -> None:
    with instance_lock(tmp_path / "lock"):
        assert stat.S_IMODE((tmp_path / "lock").stat().st_mode) & 0o077 == 0
