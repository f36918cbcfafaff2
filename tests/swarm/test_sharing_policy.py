"""A real engine shares while it may, gives everything back when it must, and survives what happens to its processes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from fakes.desktop_display import Display
from fakes.engine_folder import ANY_MACHINE, EngineFolder, hosts_of
from fakes.processes import LOOPBACK, is_gone, run_meadow, wait_until
from meadow_engine.cli.console import note

SETTINGS = {**ANY_MACHINE, "share": True, "mode": "always", "public_name": "engine of the tests"}


class Home(EngineFolder):
    """A computer with a terminal."""

    def meadow(self, *arguments: str) -> str:
        done = run_meadow(*arguments, "--base-dir", str(self.base))
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture
def home(tmp_path: Path) -> Home:
    found = Home(tmp_path)
    found.write_settings(SETTINGS)
    return found


def test_a_pause_holds_over_a_restart_until_it_is_taken_back(home: Home) -> None:
    with home.engine() as program:
        home.until("sharing")
        (host,) = hosts_of(program)
        began_s = time.monotonic()
        words = home.meadow("pause", "30m")
        assert words.startswith(("paused — You paused sharing", "stopping — "))
        wait_until(lambda: is_gone(host), 5, "the host process's end")
        note(f"the host process was gone {time.monotonic() - began_s:.1f} s after `meadow pause` was typed")
        home.until("paused", 5)
        assert program.end() == 0
    with home.engine() as program:
        home.until("paused", 10)
        status = home.status()
        assert (status.reasons[0].code, hosts_of(program), status.span) == ("paused", [], None)
        assert status.may_begin_s is not None
        assert 1700 < status.may_begin_s <= 1800
        assert "It may begin in 30 minutes." in home.meadow("status")
        words = home.meadow("resume")
        assert not words.startswith("paused")
        home.until("sharing")
        assert len(hosts_of(program)) == 1


def test_a_host_process_that_is_killed_comes_back_and_the_status_says_so_meanwhile(home: Home) -> None:
    with home.engine() as program:
        home.until("sharing")
        (host,) = hosts_of(program)
        host.kill()
        wait_until(lambda: "ended unexpectedly (signal 9)" in home.status().sharing_detail, 5, "the reason")
        assert home.status().sharing == "starting"
        home.until("sharing")
        (next_host,) = hosts_of(program)
        assert next_host.pid != host.pid


def test_nothing_is_left_of_an_engine_that_is_killed(home: Home) -> None:
    with home.engine() as program:
        home.until("sharing")
        family = psutil.Process(program.process.pid).children(recursive=True)
        assert sorted(child.name() == "p2pd" for child in family) == [False, True, True]
        began_s = time.monotonic()
        program.kill()
        wait_until(lambda: all(is_gone(child) for child in family), 8, "the end of host process and p2pd")
        note(f"all processes were gone {time.monotonic() - began_s:.1f} s after the engine was killed")
    with home.engine():
        assert home.status().sharing in ("starting", "sharing")


def test_files_that_cannot_be_read_keep_no_engine_from_starting(home: Home) -> None:
    home.write("config/settings.toml", f'listen = ["{LOOPBACK}"]\nshare = true\nidle_s = "soon"\n')
    home.write("data/sharing.json", '{"pause": "for ever"')
    home.write("run/engine.json", "{")
    with home.engine() as program:
        status = home.status()
        assert (status.sharing, status.reasons[0].code) == ("off", "no-consent")
        assert any("idle_s" in problem for problem in status.problems)
        assert "Sharing stays off" in home.meadow("status")
        assert json.loads(home.meadow("pause", "1h", "--json"))["sharing"] == "paused"
        assert "sharing.json cannot be read" in program.log()
    assert json.loads((home.base / "data" / "sharing.json").read_text())["pause"] == "1h"


def test_settings_that_are_no_toml_keep_no_engine_from_starting(home: Home) -> None:
    home.write("config/settings.toml", "share == true")
    with home.engine():
        status = home.status()
        assert (status.sharing, bool(status.problems)) == ("off", True)
    assert (home.base / "config" / "settings.toml").read_text() == "share == true"


def since(began_s: float, is_so: Callable[[], bool], what: str) -> float:
    """Seconds until something is so."""
    wait_until(is_so, 10, what)
    return time.monotonic() - began_s


def test_a_touch_of_the_mouse_gives_everything_back_and_quiet_brings_it_again(home: Home, display: Display) -> None:
    home.write_settings({**SETTINGS, "mode": "when-idle", "idle_s": 2, "quiet_s": 1})
    display.move(10, 10)
    with home.engine() as program:
        assert home.status().sharing in ("off", "waiting", "starting")
        home.until("sharing")
        for x in (200, 300):
            (host,) = hosts_of(program)
            began_s = time.monotonic()
            display.move(x, 200)
            told_s = since(began_s, lambda: home.status().sharing != "sharing", "the end of sharing")
            assert home.status().reasons[0].code == "person-here"
            gone_s = since(began_s, lambda host=host: is_gone(host), "the host process's end")  # type: ignore[misc]
            note(f"after input: not sharing in {told_s:.3f} s, host process gone in {gone_s:.3f} s")
            assert told_s < 1.5
            assert gone_s < 2.5
            home.until("waiting", 5)
            assert home.status().may_begin_s is not None
            home.until("sharing")
