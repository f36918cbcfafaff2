"""When a server that does not reach the next one is asked again: soon, and then less and less often."""

from __future__ import annotations

from fakes.clock import FakeClock
from meadow_client.session.relinking import FIRST_S, LONGEST_S, RetryTimes
from meadow_client.wire.messages import Address

A, B, C = (Address(name, f"{index:032x}") for index, name in enumerate("abc"))


def times_of_tries(times: RetryTimes, clock: FakeClock, until_s: float, *, is_whole: bool = False) -> list[float]:
    """When the link from A to B is tried, second by second."""
    tries = []
    while clock.now < until_s:
        clock.advance(1)
        if times.due({(A, B): is_whole}, clock.now):
            tries.append(clock.now)
    return tries


def test_a_link_is_tried_after_seconds_and_then_less_and_less_often() -> None:
    times, clock = RetryTimes(), FakeClock(-1.0)
    assert times_of_tries(times, clock, 500) == [6, 18, 42, 90, 186, 306, 426]


def test_a_link_that_breaks_soon_after_it_was_mended_is_left_alone_for_longer() -> None:
    times, clock = RetryTimes(), FakeClock(-1.0)
    assert times_of_tries(times, clock, 20) == [6, 18]
    assert times_of_tries(times, clock, 29, is_whole=True) == []
    assert times_of_tries(times, clock, 110) == [30 + 24, 30 + 24 + 48]


def test_a_link_that_held_for_long_begins_anew() -> None:
    times, clock = RetryTimes(), FakeClock(-1.0)
    times_of_tries(times, clock, 20)
    times_of_tries(times, clock, 20 + LONGEST_S + 2, is_whole=True)
    broken_s = clock.now + 1
    assert times_of_tries(times, clock, broken_s + 20) == [broken_s + FIRST_S, broken_s + 3 * FIRST_S]


def test_every_link_has_its_own_time_and_is_forgotten_with_its_servers() -> None:
    times = RetryTimes()
    assert times.due({(A, B): False, (B, C): True}, 0.0) == []
    assert times.due({(A, B): False, (B, C): False}, 5.0) == []
    assert times.due({(A, B): False, (B, C): False}, 6.0) == [(A, B)]
    assert times.due({(B, C): False}, 11.0) == [(B, C)]
    assert times.due({(A, B): False}, 1000.0) == []
    assert times.due({(A, B): False}, 1000.0 + FIRST_S) == [(A, B)]
