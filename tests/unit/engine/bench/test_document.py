"""The document of a series shows every record, whatever was measured and whatever failed."""

from __future__ import annotations

from typing import Any

import pytest

from meadow_engine.bench.document import document
from meadow_engine.bench.record import Record

SPREAD = {"min": 1.0, "median": 2.0, "max": 3.0}


def report(bench: str, results: dict[str, Any]) -> dict[str, Any]:
    return {
        "bench": bench,
        "model": "demo",
        "settings": {"runs": 3},
        "machine": {"cores": 2},
        "results": results,
        "reference": {"tokens_per_second": SPREAD},
        "ratio": SPREAD,
    }


def test_rates_are_in_the_summary_and_in_a_part_of_their_own() -> None:
    text = document(
        [
            Record(
                "decode",
                "One chat",
                "meadow bench decode demo",
                5.0,
                report=report("decode", {"tokens_per_second": SPREAD}),
            )
        ]
    )
    assert "| One chat | demo | 2.00 (1.00 to 3.00) | 2.00 (1.00 to 3.00) | 2.00 (1.00 to 3.00) |" in text
    assert "## One chat" in text
    assert "| ratio of tokens per second | 2.00 (1.00 to 3.00) |" in text


@pytest.mark.parametrize("bench", ["recover", "leaving"])
def test_what_has_no_rate_has_its_part_but_no_line_in_the_summary(bench: str) -> None:
    text = document([Record(bench, "Servers go", "command", 5.0, report=report(bench, {"longest pause s": SPREAD}))])
    assert "| Servers go |" not in text
    assert "## Servers go" in text
    assert "| longest pause s | 2.00 (1.00 to 3.00) |" in text
    assert "| ratio | 2.00 (1.00 to 3.00) |" in text


def test_what_failed_says_why() -> None:
    text = document([Record("decode", "One chat", "command", 5.0, error="It took longer than 900 s.")])
    assert "| One chat |  | failed |  |  |" in text
    assert "Failed after 5 s: It took longer than 900 s." in text


def test_what_was_skipped_says_why() -> None:
    text = document([Record("networks", "Far away", skipped="not root")])
    assert "Skipped: not root." in text
