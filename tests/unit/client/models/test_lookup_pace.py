"""Guesses grow while they are right, shrink while they are wrong, and stop for a while where nothing can be guessed."""

from __future__ import annotations

from itertools import pairwise

import pytest

from meadow_client.models.lookup_pace import LookupPace


def sizes(pace: LookupPace, steps: int, right: int | None = None) -> list[int]:
    """What is guessed in so many steps of which the first `right` tokens are right each time; None: all of them."""
    asked = []
    for _ in range(steps):
        asked.append(pace.next())
        pace.learn(asked[-1], asked[-1] if right is None else min(right, asked[-1]))
    return asked


def test_right_guesses_grow_up_to_the_limit() -> None:
    assert sizes(LookupPace(20), 5) == [3, 6, 12, 20, 20]


@pytest.mark.parametrize("most", [1, 2, 3])
def test_a_small_limit_bounds_the_first_guess_too(most: int) -> None:
    assert set(sizes(LookupPace(most), 5)) == {most}


def test_a_guess_that_was_cut_short_and_right_does_not_shrink() -> None:
    pace = LookupPace(20)
    sizes(pace, 3)
    pace.learn(guessed=2, right=2)
    assert pace.next() == 20


def test_a_guess_that_was_right_for_the_most_part_keeps_its_size() -> None:
    pace = LookupPace(12)
    sizes(pace, 3)
    pace.learn(guessed=12, right=6)
    assert pace.next() == 12


def test_a_guess_of_which_little_was_right_shrinks_to_a_little_more_than_that() -> None:
    pace = LookupPace(12)
    sizes(pace, 3)
    pace.learn(guessed=12, right=1)
    assert pace.next() == 2


def test_a_first_wrong_guess_asks_for_a_longer_match_but_no_pause() -> None:
    pace = LookupPace(10)
    assert pace.least_match == 2
    pace.learn(guessed=3, right=0)
    assert pace.least_match == 3
    assert pace.next() == 1
    pace.learn(guessed=1, right=1)
    assert pace.least_match == 2


def test_wrong_guesses_in_a_row_pause_for_longer_and_longer() -> None:
    asked = sizes(LookupPace(10), 300, right=0)
    tried = [step for step, size in enumerate(asked) if size]
    pauses = [later - earlier - 1 for earlier, later in pairwise(tried)]
    assert pauses[:7] == [0, 4, 8, 16, 32, 32, 32]
    assert {asked[step] for step in tried[1:]} == {1}


def test_a_text_that_cannot_be_guessed_costs_less_than_a_twentieth() -> None:
    assert sum(sizes(LookupPace(10), 400, right=0)) < 400 / 20


def test_after_a_pause_one_right_guess_lets_guesses_grow_again() -> None:
    pace = LookupPace(10)
    sizes(pace, 6, right=0)
    assert sizes(pace, 4) == [1, 2, 4, 8]


def test_a_step_without_a_guess_teaches_nothing() -> None:
    pace = LookupPace(10)
    for _ in range(50):
        pace.learn(guessed=0, right=0)
    assert (pace.next(), pace.least_match) == (3, 2)
