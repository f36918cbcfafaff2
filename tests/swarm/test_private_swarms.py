"""Two computers meet in a swarm of their own, by a link that one of them printed; no engine has to be ended for it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.processes import Program, run_meadow, running_meadow, wait_until
from meadow_engine.api.swarms import SwarmEntry, SwarmsOverview

LOOPBACK = "--listen=/ip4/127.0.0.1/tcp/0"


@pytest.fixture
def bases(tmp_path: Path) -> Iterator[list[Path]]:
    """The folders of two computers whose engines run, each alone."""
    folders = [tmp_path / "kitchen", tmp_path / "attic"]
    arguments = ["--no-gui", "--device", "cpu", LOOPBACK, "--base-dir"]
    with running_meadow(*arguments, str(folders[0])) as kitchen, running_meadow(*arguments, str(folders[1])) as attic:
        yield folders
        for engine in (kitchen, attic):
            assert_went_well(engine)


def assert_went_well(engine: Program) -> None:
    assert engine.process.poll() is None, engine.log()
    assert engine.end() == 0
    assert engine.process.stdout is not None
    assert engine.process.stdout.read() == "", "the ready line is said once"


def swarm(base: Path, *arguments: str) -> str:
    done = run_meadow("swarm", *arguments, "--base-dir", str(base))
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def used(base: Path) -> SwarmEntry:
    known = SwarmsOverview.model_validate_json(swarm(base, "list", "--json"))
    return next(entry for entry in known.swarms if entry.is_in_use)


def peer(base: Path) -> str:
    done = run_meadow("status", "--json", "--base-dir", str(base))
    return str(json.loads(done.stdout)["peer"]) if done.returncode == 0 else ""


def test_a_link_brings_two_computers_together_and_leaving_parts_them(bases: list[Path]) -> None:
    kitchen, attic = bases
    before = {base: peer(base) for base in bases}
    link = swarm(kitchen, "new", "--name", "home")
    assert before[kitchen] not in link
    wait_until(lambda: peer(kitchen) not in ("", before[kitchen]), 30, "the kitchen's new start")
    swarm(attic, "join", link)
    wait_until(lambda: used(attic).computers == 1 and used(kitchen).computers == 1, 40, "their meeting")
    assert used(kitchen).is_own
    swarm(attic, "leave", used(attic).name)
    wait_until(lambda: peer(attic) == before[attic], 30, "the attic's return to the default swarm")
    assert used(attic).computers == 0
    wait_until(lambda: used(kitchen).computers == 0, 30, "the kitchen's loss")
