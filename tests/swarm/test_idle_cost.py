"""An engine that is paused sleeps: a laptop's battery should not notice it."""

from __future__ import annotations

import json
import time
from pathlib import Path

import psutil
import pytest

from fakes.processes import LOOPBACK, close, run_meadow, start_meadow, wait_ready
from meadow_engine.cli.console import note

_SETTINGS = {"listen": [LOOPBACK], "device": "cpu", "share": True}
_SETTLES_S = 3.0
_WATCHED_S = 20.0
# One wake-up every two seconds, and room for those few rare ones that fall into a watch as short as this.
_MOST_A_SECOND = 0.5 + 0.25

pytestmark = pytest.mark.skipif(not psutil.LINUX, reason="wake-ups are counted by the files of the Linux kernel")


def test_a_paused_engine_wakes_up_no_more_often_than_every_two_seconds(tmp_path: Path) -> None:
    file = tmp_path / "config" / "settings.toml"
    file.parent.mkdir()
    file.write_text("".join(f"{name} = {json.dumps(value)}\n" for name, value in _SETTINGS.items()))
    program = start_meadow("--no-gui", "--base-dir", str(tmp_path))
    try:
        wait_ready(program)
        assert run_meadow("pause", "--base-dir", str(tmp_path)).returncode == 0
        time.sleep(_SETTLES_S)  # the last round of what was done until then
        before, began_s = waits(program.process.pid), time.monotonic()
        time.sleep(_WATCHED_S)
        rate = (waits(program.process.pid) - before) / (time.monotonic() - began_s)
    finally:
        close(program)
    note(f"a paused engine woke up {rate:.2f} times a second")
    assert rate <= _MOST_A_SECOND


def waits(pid: int) -> int:
    """How often the threads of a process have gone to sleep by themselves, each of which a wake-up ended."""
    total = 0
    for status in Path(f"/proc/{pid}/task").glob("*/status"):
        words = dict(line.split(":", 1) for line in status.read_text().splitlines())
        total += int(words["voluntary_ctxt_switches"])
    return total
