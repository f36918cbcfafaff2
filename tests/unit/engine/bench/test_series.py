"""A series goes on when a stage fails, and its document shows everything that happened."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from meadow_engine.bench import series
from meadow_engine.bench.document import document, main
from meadow_engine.bench.record import Record, read_records, write_record
from meadow_engine.bench.series import NORMAL, Stage, make_model, measure, stages

REPORT = {
    "bench": "decode",
    "model": "demo",
    "settings": {"runs": 5},
    "machine": {"system": "Linux", "cores": 2},
    "results": {"tokens_per_second": {"min": 8.0, "median": 9.0, "max": 10.0}, "same_text": True},
    "reference": {"tokens_per_second": {"min": 20.0, "median": 20.0, "max": 20.0}},
    "ratio": {"min": 0.4, "median": 0.45, "max": 0.5},
}
STAGE = Stage("decode", "One chat", ("decode", "demo"))
MEASURED = Record("decode", "One chat", "meadow bench decode demo", 12.0, "2030-01-31 18:00", report=REPORT)


def ends(returncode: int, stdout: str = "", stderr: str = "") -> series.Run:
    return lambda command, _timeout_s: subprocess.CompletedProcess(command, returncode, stdout, stderr)


def test_a_stage_leaves_its_report_and_its_command() -> None:
    record = measure(STAGE, ends(0, json.dumps(REPORT)))
    assert record.report == REPORT
    assert record.command == "meadow bench decode demo"
    assert not record.error


def test_a_command_can_be_shown_with_other_words() -> None:
    record = measure(STAGE, ends(0, json.dumps(REPORT)), network="far", shown=["decode", "demo", "--join", "ADDRESS"])
    assert record.command == "meadow bench decode demo --join ADDRESS"
    assert record.network == "far"


@pytest.mark.parametrize(
    ("run", "error"),
    [
        (ends(1, "", "a log line\nmeadow: The swarm is gone.\nTry again.\n"), "meadow: The swarm is gone. Try again."),
        (ends(3), "exit code 3"),
        (ends(0, "no JSON"), "JSONDecodeError"),
    ],
)
def test_a_failing_stage_says_why(run: series.Run, error: str) -> None:
    record = measure(STAGE, run)
    assert record.report is None
    assert error in record.error


def test_a_stage_that_hangs_is_given_up() -> None:
    def hang(command: list[str], timeout_s: float) -> subprocess.CompletedProcess[str]:
        raise subprocess.TimeoutExpired(command, timeout_s)

    assert measure(STAGE, hang).error == "It took longer than 900 s."


def test_a_failing_stage_does_not_lose_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run_all_but_prefill(stage: Stage) -> Record:
        return measure(stage, ends(1, "", "No.") if stage.name == "prefill" else ends(0, json.dumps(REPORT)))

    monkeypatch.setattr(series, "measure", run_all_but_prefill)
    monkeypatch.setattr(series, "make_model", lambda *_: "")
    assert series.main([str(tmp_path)]) == 1
    records = read_records(tmp_path)
    assert [record.stage for record in records] == [stage.name for stage in stages("m")]
    assert [record.stage for record in records if record.error] == ["prefill"]


def test_a_model_that_is_there_is_not_written_again(tmp_path: Path) -> None:
    assert make_model(NORMAL, tmp_path, ends(1, "", "No room.\n")) == "No room."
    (tmp_path / "config.json").touch()
    assert make_model(NORMAL, tmp_path, ends(1, "", "No room.\n")) == ""


def test_the_document_shows_machine_commands_and_values() -> None:
    text = document([MEASURED])
    assert "| System | Linux |" in text
    assert "| Measured until | 2030-01-31 18:00 UTC |" in text
    assert "| One chat | demo | 9.00 (8.00 to 10.0) | 20.0 (20.0 to 20.0) | 0.450 (0.400 to 0.500) |" in text
    assert "```\nmeadow bench decode demo\n```" in text
    assert "| same text | yes |  |" in text
    assert "5 runs of each side in 12 s" in text


def test_the_document_tells_of_failures_and_of_what_was_skipped() -> None:
    failed = Record("prefill", "A long prompt", "meadow bench prefill demo", 3.0, error="The swarm is gone.")
    skipped = Record("networks", "Far away", skipped="network namespaces need root")
    text = document([MEASURED, failed, skipped])
    assert "| A long prompt |  | failed |  |  |" in text
    assert "Failed after 3 s: The swarm is gone." in text
    assert "Skipped: network namespaces need root." in text
    assert "| Far away |" not in text


def test_nothing_measured_is_a_document_too() -> None:
    assert "Nothing could be measured." in document([])


def test_running_again_replaces_the_document(tmp_path: Path) -> None:
    target = tmp_path / "benchmarks.md"
    target.write_text("old")
    write_record(tmp_path, 2, MEASURED)
    write_record(tmp_path, 1, Record("networks", "Far away", skipped="there is no `ip`"))
    assert main([str(tmp_path), str(target)]) == 0
    text = target.read_text(encoding="utf-8")
    assert "old" not in text
    assert text.index("## Far away") < text.index("## One chat")
    assert text.endswith("starting included.\n")
