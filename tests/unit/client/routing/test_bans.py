"""Servers that failed are avoided, for longer every time, and come back by themselves."""

from __future__ import annotations

from meadow_client.routing.bans import FIRST_S, FORGET_S, MOST_S, Bans


def pause_s(bans: Bans, failed_s: float) -> float:
    """For how long a server that failed at a time is left out."""
    later_s = failed_s
    while bans.banned(["a"], later_s):
        later_s += 0.5
    return later_s - failed_s


def test_a_server_that_failed_is_left_out_and_comes_back() -> None:
    bans = Bans()
    bans.failed("a", 100.0)
    assert bans.banned(["a", "b"], 100.0 + FIRST_S - 0.01) == {"a"}
    assert bans.banned(["a", "b"], 100.0 + FIRST_S) == set()


def test_a_server_that_nobody_can_replace_is_tried_again_sooner() -> None:
    bans = Bans()
    bans.failed("a", 100.0)
    assert bans.banned(["a"], 100.0 + FIRST_S / 8 - 0.01, is_needed=True) == {"a"}
    assert bans.banned(["a"], 100.0 + FIRST_S / 8, is_needed=True) == set()


def test_every_further_failure_doubles_the_time_up_to_a_limit() -> None:
    bans, now_s, pauses = Bans(), 0.0, []
    for _ in range(10):
        bans.failed("a", now_s)
        pauses.append(pause_s(bans, now_s))
        now_s += pauses[-1] + 1
    assert pauses[:3] == [FIRST_S, 2 * FIRST_S, 4 * FIRST_S]
    assert pauses[-1] == MOST_S


def test_sessions_that_see_the_same_failure_count_it_once() -> None:
    bans = Bans()
    bans.failed("a", 10.0)
    bans.failed("a", 10.2)
    assert bans.recent("a", 10.2) == 1
    bans.failed("a", 13.0)
    assert bans.recent("a", 13.0) == 2


def test_what_was_not_the_servers_fault_is_forgiven() -> None:
    bans = Bans()
    bans.failed("a", 10.0)
    bans.failed("b", 11.0)
    bans.forgive(10.5)
    assert bans.banned(["a", "b"], 11.0) == {"a"}


def test_what_lies_long_back_is_forgotten() -> None:
    bans = Bans()
    bans.failed("a", 0.0)
    assert bans.recent("a", FORGET_S + 1) == 0
    bans.failed("a", FORGET_S + 1)
    assert pause_s(bans, FORGET_S + 1) == FIRST_S
