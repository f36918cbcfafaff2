"""Which streams break in a measurement, and what passes over whole texts would cost."""

from __future__ import annotations

import pytest

from meadow_engine.bench.failures import CachelessCost, FailurePlan, lengths_to_measure


def test_the_same_seed_breaks_the_same_streams() -> None:
    one, other, another = FailurePlan(0.2, 1), FailurePlan(0.2, 1), FailurePlan(0.2, 2)
    drawn = [one.broken(4) for _step in range(50)]
    assert drawn == [other.broken(4) for _step in range(50)]
    assert drawn != [another.broken(4) for _step in range(50)]


def test_streams_break_about_as_often_as_was_asked_for() -> None:
    plan = FailurePlan(0.01, 0)
    assert 300 < sum(len(plan.broken(4)) for _step in range(10_000)) < 500
    assert not any(FailurePlan(0.0, 0).broken(4) for _step in range(100))


def test_a_pass_over_a_length_between_two_measured_ones_lies_on_the_line_between_them() -> None:
    cost = CachelessCost({8: 1.0, 16: 2.0, 24: 6.0})
    assert [cost.pass_s(tokens) for tokens in (8, 12, 16, 20, 24)] == [1.0, 1.5, 2.0, 4.0, 6.0]


def test_failures_repeat_passes() -> None:
    cost = CachelessCost({8: 0.5, 108: 0.5})
    assert cost.tokens_per_second(8, 100, 0.0, 4) == pytest.approx(2.0)
    assert cost.tokens_per_second(8, 100, 0.01, 4) == pytest.approx(2.0 * 0.99**4)


def test_few_lengths_from_the_prompt_to_the_end_are_measured() -> None:
    assert lengths_to_measure(8, 128) == [8, 40, 72, 104, 136]
    assert lengths_to_measure(8, 1) == [8, 9]
