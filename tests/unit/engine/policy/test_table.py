"""The manual says what the code does."""

from __future__ import annotations

from pathlib import Path

import pytest

from meadow_engine.policy.reasons import REASON_KINDS, because, duration_words, size_words
from meadow_engine.policy.rules import Rules
from meadow_engine.policy.table import document, main

MANUAL = Path(__file__).parents[4] / "docs" / "sharing.md"


def test_the_manual_is_up_to_date() -> None:
    assert MANUAL.read_text(encoding="utf-8") == document(Rules()), (
        "run `python -m meadow_engine.policy.table docs/sharing.md`"
    )


def test_the_manual_is_written_where_it_is_asked_for_or_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main([str(tmp_path / "sharing.md")])
    main([])
    assert (tmp_path / "sharing.md").read_text(encoding="utf-8") == capsys.readouterr().out


def test_the_manual_follows_the_thresholds() -> None:
    text = document(Rules(idle_s=600.0, hot_c=90.0, loads_per_hour=2))
    assert "10 minutes after the last key, click or movement" in text
    assert "hotter than 90 °C" in text
    assert "3 minutes" not in text


def test_every_reason_is_a_row_of_its_own_with_a_sentence() -> None:
    rows = [line for line in document(Rules()).splitlines() if line.startswith("| `")]
    assert len({kind.code for kind in REASON_KINDS}) == len(REASON_KINDS)
    for kind in REASON_KINDS:
        assert sum(row.startswith(f"| `{kind.code}` |") for row in rows) == 1
        sentence = because(kind, Rules(), detail="42").sentence
        assert sentence.endswith(".")
        assert "{" not in sentence


@pytest.mark.parametrize(
    ("seconds", "words"), [(1, "1 second"), (5, "5 seconds"), (60, "1 minute"), (90, "90 seconds"), (14400, "4 hours")]
)
def test_durations_are_said_in_their_largest_unit(seconds: float, words: str) -> None:
    assert duration_words(seconds) == words


def test_sizes_are_said_in_gigabytes() -> None:
    assert [size_words(size) for size in (500_000_000, 1_500_000_000, 24_000_000_000)] == ["0.5 GB", "1.5 GB", "24 GB"]
