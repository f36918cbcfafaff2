"""What `meadow doctor` prints, and how it ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from meadow_engine import checkup
from meadow_engine.checkup import Check
from meadow_engine.cli.console import DONE, FAILED
from meadow_engine.cli.main import main

WELL = Check("Disk", True, "9.0 GiB free", "Make room.")
ILL = Check("Knows whether you are there", False, "idle: unknown", "Log in.")


@pytest.mark.parametrize(
    ("found", "lines", "ends"),
    [
        ([WELL], ["ok   Disk  9.0 GiB free"], DONE),
        (
            [WELL, ILL],
            [
                "ok   Disk                         9.0 GiB free",
                "BAD  Knows whether you are there  idle: unknown",
                "                                  Log in.",
            ],
            FAILED,
        ),
    ],
)
def test_findings_stand_in_a_column_with_advice_below_what_is_not_well(
    found: list[Check],
    lines: list[str],
    ends: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(checkup, "check_all", lambda _places: found)
    assert main(["doctor", "--base-dir", str(tmp_path)]) == ends
    assert capsys.readouterr().out.splitlines() == lines
