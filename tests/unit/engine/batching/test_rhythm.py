"""Small groups of chats wait for others that are about to come, briefly, and only where that saves passes."""

from __future__ import annotations

import pytest

from meadow_engine.batching.passes import MOST_TOKENS, PassCosts
from meadow_engine.batching.rhythm import (
    FEWEST_ALONE_TOKENS,
    LONGEST_HOLD_S,
    LONGEST_RIDE_S,
    PAUSE_S,
    Rhythm,
    Utilisation,
    alone_tokens,
    expected_in,
    hold_s,
)


def rhythm(previous_s: float, last_s: float) -> Rhythm:
    found = Rhythm()
    found.came(previous_s)
    found.came(last_s)
    return found


def test_a_few_wait_for_those_who_come_soon() -> None:
    assert 0.01 <= hold_s(1, 8, 0.0, [0.002, 0.005, 0.01, 0.15], short_s=0.02, busy=0.8) <= 0.015


@pytest.mark.parametrize(
    ("waiting", "chats", "waited_s", "expected_s", "busy"),
    [
        (4, 8, 0.0, [0.001], 0.8),
        (1, 1, 0.0, [], 0.8),
        (1, 8, 0.03, [0.001, 0.002], 0.8),
        (1, 8, 0.0, [0.2, 0.3], 0.8),
        (1, 8, 0.0, [0.001, 0.002], 0.1),
        (1, 8, 0.0, [-0.5], 0.8),
    ],
    ids=[
        "half are here",
        "nobody else",
        "waited long enough",
        "too far away",
        "passes are not scarce",
        "late for good",
    ],
)
def test_otherwise_nobody_waits(
    waiting: int, chats: int, waited_s: float, expected_s: list[float], busy: float
) -> None:
    assert hold_s(waiting, chats, waited_s, expected_s, 0.02, busy) == 0


def test_nobody_waits_longer_than_the_longest_hold() -> None:
    assert hold_s(1, 8, 0.0, [5.0, 0.09], short_s=10.0, busy=1.0) <= LONGEST_HOLD_S


def test_a_chat_is_expected_at_the_distance_it_had_in_the_last_round() -> None:
    here, other = rhythm(1.0, 1.3), rhythm(0.8, 1.04)
    assert expected_in(other, here, 1.31) == pytest.approx(0.03)
    late = rhythm(0.7, 0.99)
    assert expected_in(late, here, 1.31) == pytest.approx(-0.02)


def test_nothing_is_expected_of_those_who_paused_or_had_their_turn() -> None:
    here = rhythm(1.0, 1.3)
    assert expected_in(rhythm(1.1, 1.4), here, 1.5) is None
    assert expected_in(Rhythm(), here, 1.5) is None
    assert expected_in(rhythm(1.0, 1.2), Rhythm(), 1.5) is None
    assert expected_in(rhythm(0.5, 0.6), here, 0.6 + PAUSE_S + 0.1) is None
    assert expected_in(rhythm(9.0, 9.1), rhythm(1.0, 9.2), 9.3) is None


def costs() -> PassCosts:
    """A pass of 10 ms, and 0.1 ms for each token of a prompt."""
    found = PassCosts()
    found.observe(1, 0, 0.01)
    found.observe(1, 100, 0.02)
    return found


def test_without_chats_a_prompt_runs_at_once() -> None:
    assert alone_tokens([], 0.0, costs()) == MOST_TOKENS


def test_what_fits_before_the_next_chat_runs_and_else_a_prompt_waits_for_it() -> None:
    assert alone_tokens([0.5, 0.03], 0.0, costs()) == pytest.approx(200, abs=1)
    assert alone_tokens([0.5, 0.012], 0.0, costs()) == 0
    assert alone_tokens([0.5, -0.1], 0.0, costs()) == 0


def test_a_prompt_does_not_wait_for_ever() -> None:
    assert alone_tokens([0.0], LONGEST_RIDE_S, costs()) == FEWEST_ALONE_TOKENS


def test_a_chat_comes_back_after_as_long_as_last_time() -> None:
    assert rhythm(1.0, 1.3).next_in(1.4) == pytest.approx(0.2)
    assert Rhythm().next_in(1.4) == 0
    assert rhythm(1.0, 1.1 + PAUSE_S).next_in(2.2) == 0


def test_utilisation_follows_the_share_of_time_in_passes() -> None:
    utilisation = Utilisation()
    for step in range(100):
        utilisation.ended(step * 0.1, 0.06)
    assert utilisation.share == pytest.approx(0.6, abs=0.05)
    utilisation.ended(100.0, 0.01)
    assert utilisation.share < 0.05
