"""`meadow credits` says what was earned and spent in words, and promises nothing that credits do not do."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from meadow_engine.api.contributions import Contributions, DayCount
from meadow_engine.cli import credits as credits_module
from meadow_engine.cli import main as main_module
from meadow_engine.cli.credits import credit_words, describe
from meadow_engine.cli.main import main

TODAY = date(2026, 11, 21)

Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(main_module, "set_up_logging", lambda **_: None)


def week(earned: list[float], spent: list[float]) -> list[DayCount]:
    """Seven days, the last one is today."""
    return [
        DayCount(
            day=TODAY - timedelta(days=6 - index),
            earned_credits=earned[index],
            spent_credits=spent[index],
            tokens_for_others=1000,
            tokens_by_others=10,
            conversations=1,
        )
        for index in range(7)
    ]


BUSY = Contributions(
    earned_credits=1234.5,
    spent_credits=34.5,
    balance=1200.0,
    conversations=34,
    since=date(2026, 10, 1),
    days=week([7, 0, 0, 0, 0, 0, 3.5], [0, 0, 0, 0, 0, 0, 0.007]),
)
NOTHING = Contributions(
    earned_credits=0, spent_credits=0, balance=0, conversations=0, since=None, days=week([0] * 7, [0] * 7)
)


def lines(contributions: Contributions) -> dict[str, str]:
    parts = (line.split(":", 1) for line in describe(contributions).splitlines())
    return {name: text.strip() for name, text in parts}


def test_it_is_a_few_lines_for_people() -> None:
    said = lines(BUSY)
    assert said["Balance"] == "1,200 credits"
    assert said["Earned"] == "3.50 today, 1.50 a day over the last 7 days, 1,234 in total"
    assert said["Spent"] == "0.007 today, 0.001 a day over the last 7 days, 34.5 in total"
    assert said["Helped"].startswith("about 34 answers to others since 2026-10-01, counted as conversations")
    assert said["Tokens"] == "7,000 computed for others and 70 by others in the last 7 days"
    assert list(said) == ["Balance", "Earned", "Spent", "Helped", "Tokens", "Meaning"]


def test_it_says_what_credits_do_not_do() -> None:
    meaning = lines(BUSY)["Meaning"]
    assert meaning.count(". ") == 0
    for promise in ("no money", "cannot be sold", "change nothing", "nobody is refused"):
        assert promise in meaning


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"since": None, "conversations": 0}, "nothing was counted yet"),
        ({"conversations": 0}, "no conversations of others since 2026-10-01"),
        ({"conversations": 1}, "about 1 answer to others since 2026-10-01, counted as conversations"),
        ({"conversations": 12345}, "about 12,345 answers to others since 2026-10-01, counted as conversations"),
    ],
)
def test_how_many_were_helped_is_never_more_than_was_counted(changes: dict[str, Any], words: str) -> None:
    assert lines(BUSY.model_copy(update=changes))["Helped"].split(": ")[0] == words


def test_before_anything_happened_everything_is_zero() -> None:
    said = lines(NOTHING)
    assert said["Balance"] == "0 credits"
    assert said["Earned"] == said["Spent"] == "0 today, 0 a day over the last 7 days, 0 in total"


def test_a_ledger_that_cannot_be_read_is_admitted() -> None:
    said = lines(NOTHING.model_copy(update={"explanation": "The disk is full."}))
    assert said["Incomplete"] == "The disk is full."


@pytest.mark.parametrize(
    ("credits", "words"),
    [
        (0, "0"),
        (0.0004, "less than 0.001"),
        (0.0015, "0.002"),
        (0.25, "0.250"),
        (9.876, "9.88"),
        (12.34, "12.3"),
        (123.4, "123"),
        (1234567.8, "1,234,568"),
        (-12.34, "-12.3"),
        (-0.00043, "nearly 0, but below it (-0.0004)"),
    ],
)
def test_numbers_are_as_long_as_they_mean_something(credits: float, words: str) -> None:
    assert credit_words(credits) == words


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    paths: list[str] = []

    def get(_places: Any, path: str) -> Any:
        paths.append(path)
        return BUSY.model_dump(mode="json")

    monkeypatch.setattr(credits_module, "get", get)
    return paths


def test_the_last_week_is_asked_of_the_running_engine(asked: list[str], tmp_path: Path, capsys: Captured) -> None:
    assert main(["credits", "--base-dir", str(tmp_path)]) == 0
    assert asked == ["/api/contributions?days=7"]
    assert capsys.readouterr().out == describe(BUSY) + "\n"


def test_programs_get_everything(asked: list[str], tmp_path: Path, capsys: Captured) -> None:
    assert main(["credits", "--json", "--base-dir", str(tmp_path)]) == 0
    assert Contributions.model_validate_json(capsys.readouterr().out) == BUSY
    assert len(asked) == 1


def test_without_an_engine_it_says_so_and_how_to_start_one(tmp_path: Path, capsys: Captured) -> None:
    assert main(["credits", "--base-dir", str(tmp_path)]) == 1
    said = capsys.readouterr()
    assert said.err.startswith("meadow: No engine of Meadow runs here.\nStart one with")
    assert said.out == ""
