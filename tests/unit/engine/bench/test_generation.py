"""Rates come from when tokens arrived."""

from __future__ import annotations

import pytest

from meadow_engine.bench.generation import Arrival, Timing, steady_rate, tokens_between


def timing(*times: float, began: float = 0.0, tokens: int = 1, compute_s: float = 0.0) -> Timing:
    return Timing(began, [Arrival(at_s, tokens, compute_s) for at_s in times])


def test_the_first_token_is_left_out_of_the_rate() -> None:
    one = timing(5.0, 6.0, 7.0, began=1.0, compute_s=0.25)
    assert one.first_token_s == 4.0
    assert one.tokens_per_second == 1.0
    assert one.step_s == 1.0
    assert one.compute_s == 0.25
    assert one.steps() == [(5.0, 6.0), (6.0, 7.0)]


def test_guessed_tokens_count_all() -> None:
    one = timing(1.0, 2.0, 3.0, tokens=4)
    assert one.tokens_per_second == 4.0
    assert one.tokens_per_step == 4.0


def test_tokens_that_all_came_at_once_have_a_rate_too() -> None:
    assert timing(2.0, tokens=8).tokens_per_second == 4.0


def test_only_the_time_while_all_run_counts_as_steady() -> None:
    early, late = timing(1.0, 2.0, 3.0, 4.0), timing(2.0, 3.0, 4.0, 5.0)
    assert tokens_between([early, late], 2.0, 4.0) == 4
    assert steady_rate([early, late]) == 2.0


def test_texts_that_never_overlap_are_taken_from_first_to_last() -> None:
    assert steady_rate([timing(1.0, 2.0), timing(4.0, 5.0)]) == pytest.approx(3 / 4)
