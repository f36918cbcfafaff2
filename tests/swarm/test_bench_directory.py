"""The directory's measurement runs and finds all its servers."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from fakes.processes import environment
from meadow_engine.bench.directory import main

COMMAND = [sys.executable, "-m", "meadow_engine.bench.directory"]


def test_a_small_directory_is_measured() -> None:
    numbers = ["--servers", "4", "--processes", "2", "--layers", "20", "--seconds", "2", "--lookups", "3"]
    done = subprocess.run(
        [*COMMAND, *numbers], capture_output=True, text=True, timeout=120, env=environment(), check=False
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["bench"], report["settings"]["servers"]) == ("directory", 4)
    results = report["results"]
    assert results["servers_announcing"] == 4
    assert results["servers_found"] == {"min": 4, "max": 4}
    assert 0 < results["lookup_s"]["median"] <= results["lookup_s"]["p95"] <= results["lookup_s"]["max"]


def test_numbers_that_make_no_sense_are_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--servers", "0"]) == 2
    assert "Every number has to be at least 1" in capsys.readouterr().err
