"""A computer that sleeps and wakes up: its word in the swarm has expired, and the person's pause may be over.

While it sleeps its processes stand still (SIGSTOP). What a test cannot wait for, the hour on the wall clock, is put
into the wall clocks of all processes of the test (`fakes/sleeping_clock`); monotonic clocks stand still meanwhile, as
they do in a computer that sleeps.
"""

from __future__ import annotations

import json
import os
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from fakes.processes import LOOPBACK, Program, run_meadow, running_meadow, wait_until
from fakes.volunteer import running_volunteer
from meadow_engine.cli.console import note

ANNOUNCED_LIMIT_S = 20.0


class WallClock:
    """The wall clock of all processes that are started from now on."""

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._path = path
        self._set(0.0)
        folder = Path(__file__).parents[1] / "fakes" / "sleeping_clock"
        paths = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
        monkeypatch.setenv("MEADOW_TEST_CLOCK", str(path))

    def _set(self, ahead_s: float) -> None:
        self._ahead_s = ahead_s
        with self._path.open("r+b" if self._path.exists() else "wb") as file:
            file.write(struct.pack("d", ahead_s))

    @contextmanager
    def asleep(self, processes: list[psutil.Process], seconds: float) -> Iterator[None]:
        """These processes sleep in the block; it is so many seconds later for everybody, at once."""
        for process in processes:
            process.suspend()
        self._set(self._ahead_s + seconds)
        try:
            yield
        finally:
            for process in reversed(processes):
                process.resume()


@pytest.fixture
def wall_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WallClock:
    return WallClock(tmp_path / "clock", monkeypatch)


def servers(bootstrap: Program) -> int:
    """How many servers somebody sees who asks the swarm now."""
    done = run_meadow("models", "--join", bootstrap.address, "--json")
    models = json.loads(done.stdout) if done.stdout.strip() else []
    return sum(model["servers"] for model in models)


def test_an_engine_that_wakes_up_is_in_the_swarm_again_within_seconds(tmp_path: Path, wall_clock: WallClock) -> None:
    with (
        running_meadow("bootstrap", "--listen", LOOPBACK, "--base-dir", str(tmp_path / "boot")) as bootstrap,
        running_volunteer(tmp_path / "engine", bootstrap.address) as volunteer,
    ):
        volunteer.until("sharing")
        wait_until(lambda: servers(bootstrap) == 1, 20, "the announcement")
        host, family = volunteer.host(), volunteer.family()
        with wall_clock.asleep(family, 75):
            assert servers(bootstrap) == 0
        woke_s = time.monotonic()
        wait_until(lambda: servers(bootstrap) == 1, ANNOUNCED_LIMIT_S, "the next announcement")
        note(f"announced again at most {time.monotonic() - woke_s:.1f} s after waking up")
        status = volunteer.status()
        assert (status.sharing, volunteer.host()) == ("sharing", host)
        assert "Traceback" not in volunteer.program.log()


def test_a_pause_goes_by_the_wall_clock_also_when_the_computer_slept_meanwhile(
    tmp_path: Path, wall_clock: WallClock
) -> None:
    with running_volunteer(tmp_path / "engine", "", initial_peers=[]) as volunteer:
        volunteer.ask("POST", "/api/pause", {"length": "1h"})
        volunteer.until("paused", 5)
        with wall_clock.asleep(volunteer.family(), 2400):
            pass

        def left_s() -> float:
            return volunteer.status().may_begin_s or 0.0

        woke_s = time.monotonic()
        wait_until(lambda: left_s() <= 1200, 40, "the shorter rest of the pause")
        note(f"the pause was shorter {time.monotonic() - woke_s:.1f} s after waking up")
        assert left_s() > 1150
        assert volunteer.status().reasons[0].code == "paused"
        volunteer.ask("POST", "/api/resume")
        volunteer.until("sharing")
        assert "Traceback" not in volunteer.program.log()
