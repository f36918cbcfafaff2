"""`meadow swarm status` looks at a running swarm, without an engine of its own."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from fakes.processes import Swarm, run_meadow, running_swarm, wait_until
from meadow_assets import demo_model_path
from meadow_engine.api.places import find_places
from meadow_engine.settings_file import change_setting


def test_a_swarm_is_shown_to_people(demo_swarm: Swarm) -> None:
    done = run_meadow("swarm", "status", "--join", demo_swarm.address)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == "meadow-demo: 8 layers, context 2048, complete"
    assert lines[1].startswith("Best chain now: about ")
    assert lines[1].endswith(" by way of layers-0-3 → layers-3-4 → layers-4-8")
    assert [line.split()[:3] for line in lines[5:]] == [
        ["layers-0-3", "███·····", "0–2"],
        ["layers-3-4", "···█····", "3"],
        ["layers-4-8", "····████", "4–7"],
    ]


def test_the_swarm_of_the_settings_is_shown_to_programs(demo_swarm: Swarm, tmp_path: Path) -> None:
    change_setting(find_places(tmp_path).settings_file, "initial_peers", [demo_swarm.address])
    done = run_meadow("swarm", "status", "--base-dir", str(tmp_path), "--json", "demo")
    assert done.returncode == 0, done.stderr
    [model] = json.loads(done.stdout)["models"]
    assert (model["id"], model["coverage"], model["is_complete"]) == ("meadow-demo", [1] * 8, True)
    assert {server["peer"] for server in model["servers"]} == {e.ready["peer"] for e in demo_swarm.engines}
    assert model["tokens_per_second"] > 0


def test_a_model_that_nobody_holds_is_a_failure_with_advice(demo_swarm: Swarm) -> None:
    done = run_meadow("swarm", "status", "--join", demo_swarm.address, "nothing")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "meadow: No computer in the swarm holds layers of nothing now.\n"
        "`meadow swarm status` without MODEL shows all that are there.\n"
    )


@pytest.fixture
def swarm() -> Iterator[Swarm]:
    with running_swarm(demo_model_path(), [(0, 4), (4, 8)]) as swarm:
        yield swarm


def test_an_engine_whose_p2pd_is_killed_answers_again_at_the_same_address(swarm: Swarm) -> None:
    for engine in swarm.engines:
        [p2pd] = psutil.Process(engine.process.pid).children()
        os.kill(p2pd.pid, signal.SIGKILL)

        def has_another(pid: int = engine.process.pid, old: int = p2pd.pid) -> bool:
            return [child.pid for child in psutil.Process(pid).children()] not in ([], [old])

        wait_until(has_another, 2.0, "a new p2pd")
    done = run_meadow("chat", str(swarm.model), "--join", swarm.address, "--prompt", "What is Meadow?", "--greedy")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    for engine in swarm.engines:
        assert engine.process.poll() is None
        assert "Traceback" not in engine.log()
