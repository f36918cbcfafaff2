"""Numbers of a measurement, as machines and people read them."""

from __future__ import annotations

from typing import Any

import pytest

from meadow_engine.bench.report import Measured, percentile, ratios, report, spread
from meadow_engine.bench.settings import PrefillSettings
from meadow_engine.bench.table import number, rows, table, words_of


def a_report(**more: Any) -> dict[str, Any]:
    measured = Measured(
        {"tokens_per_second": spread([8.0, 10.0, 9.0]), "hops": 3, "same_token": True, **more},
        {"tokens_per_second": spread([20.0, 20.0, 20.0]), "threads": 2},
        ratios([8.0, 10.0, 9.0], [20.0, 20.0, 20.0]),
    )
    return report("prefill", "demo", PrefillSettings(runs=3), measured)


def test_a_spread_is_least_median_and_greatest() -> None:
    assert spread([3.0, 1.0, 2.0]) == {"min": 1.0, "median": 2.0, "max": 3.0}


def test_every_runs_ratio_is_its_own_pairs() -> None:
    assert ratios([1.0, 4.0], [2.0, 4.0]) == {"min": 0.5, "median": 0.75, "max": 1.0}


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [([5.0], 0.95, 5.0), ([1.0, 3.0], 0.5, 2.0), ([4.0, 1.0, 3.0, 2.0, 5.0], 0.5, 3.0), ([0.0, 10.0], 0.95, 9.5)],
)
def test_a_percentile_lies_between_neighbours(values: list[float], share: float, expected: float) -> None:
    assert percentile(values, share) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (0.000123, "0.000123"), (0.0512, "0.0512"), (1.234, "1.23"), (98.76, "98.8"), (12345.6, "12346")],
)
def test_numbers_show_the_digits_that_matter(value: float, text: str) -> None:
    assert number(value) == text


def test_facts_are_said_in_words() -> None:
    assert [words_of(True), words_of(3), words_of("raw")] == ["yes", "3", "raw"]


def test_a_report_has_the_form_of_the_contract() -> None:
    made = a_report()
    assert list(made) == ["bench", "model", "settings", "machine", "results", "reference", "ratio"]
    assert made["settings"]["prompt_tokens"] == 2048
    assert {"system", "processor", "cores", "torch"} <= set(made["machine"])


def test_rows_put_both_sides_beside_each_other() -> None:
    assert list(rows(a_report())) == [
        ("tokens per second", "9.00 (8.00 to 10.0)", "20.0 (20.0 to 20.0)"),
        ("hops", "3", ""),
        ("same token", "yes", ""),
        ("threads", "", "2"),
    ]


def test_the_table_is_a_few_lines_in_columns() -> None:
    assert table(a_report()).splitlines() == [
        "prefill: demo, 3 runs; median (min to max)",
        "                              ours                    reference",
        "  tokens per second           9.00 (8.00 to 10.0)     20.0 (20.0 to 20.0)",
        "  hops                        3",
        "  same token                  yes",
        "  threads                                             2",
        "  ratio of tokens per second  0.450 (0.400 to 0.500)",
    ]
