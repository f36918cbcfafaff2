"""Thresholds that make sense, and memory that is left to the person."""

from __future__ import annotations

from typing import Any

import pytest

from meadow_engine.policy.rules import GB, WEEK_MINUTES, Rules, lendable_bytes, minutes_to_window, quiet_needed_s


@pytest.mark.parametrize(
    ("free", "lent"),
    [(0, 0), (1, 0), (1.5, 0), (2, 0.5), (5, 3.5), (10, 8), (24, 19.2)],
)
def test_four_fifths_are_lent_but_a_gigabyte_and_a_half_is_kept(free: float, lent: float) -> None:
    assert lendable_bytes(int(free * GB), Rules()) == int(lent * GB)


@pytest.mark.parametrize(
    "wrong",
    [
        {"hot_c": 70.0},
        {"lent_memory": 1.2},
        {"loads_per_hour": 0},
        {"windows": ((5, 5),)},
        {"windows": ((0, WEEK_MINUTES + 1),)},
    ],
)
def test_thresholds_that_contradict_themselves_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        Rules(**wrong)


def test_a_window_may_run_across_the_end_of_the_week() -> None:
    rules = Rules(windows=((WEEK_MINUTES - 60, 60),))
    assert minutes_to_window(WEEK_MINUTES - 61, rules) == 1
    assert minutes_to_window(WEEK_MINUTES - 60, rules) == 0
    assert minutes_to_window(59, rules) == 0
    assert minutes_to_window(60, rules) == WEEK_MINUTES - 120


def test_the_next_of_several_windows_counts_and_none_means_always() -> None:
    rules = Rules(windows=((600, 700), (100, 200)))
    assert [minutes_to_window(minute, rules) for minute in (0, 150, 200, 650, 700)] == [
        100,
        0,
        400,
        0,
        WEEK_MINUTES - 600,
    ]
    assert minutes_to_window(3, Rules()) == 0


def test_a_whole_week_may_be_named_as_one_window() -> None:
    rules = Rules(windows=((0, WEEK_MINUTES),))
    assert minutes_to_window(WEEK_MINUTES - 1, rules) == 0


def test_no_number_of_flaps_makes_the_wait_longer_than_its_limit() -> None:
    assert quiet_needed_s(10**9, Rules()) == 1800
    assert quiet_needed_s(5, Rules(quiet_s=7200.0)) == 7200
