"""A peer calls those it lost, patiently, and nobody who is there."""

from __future__ import annotations

from itertools import pairwise

import pytest

from meadow_client.swarm.membership import (
    FRESH_START_S,
    LONELY_ROUND_S,
    RESTING_ROUND_S,
    ROUND_S,
    Contact,
    Membership,
    RestartDelays,
    contacts_of,
)

FIRST = Contact("first", ("/ip4/192.0.2.1/tcp/1",))
PLACES = {"first": "/ip4/192.0.2.1/tcp/1", "a": "/ip4/192.0.2.2/tcp/1", "b": "/ip4/192.0.2.3/tcp/1"}


def connected(*peers: str) -> dict[str, str]:
    return {peer: PLACES[peer] for peer in peers}


def called(membership: Membership, now_s: float, *peers: str) -> list[str]:
    membership.see(now_s, connected(*peers), peers)
    return [contact.peer for contact in membership.calls_due(now_s, peers, peers)]


def test_who_is_there_is_not_called() -> None:
    assert called(Membership({"first": FIRST}), 0, "first", "a") == []


def test_who_rests_looks_around_seldom_however_lonely() -> None:
    membership = Membership({"first": FIRST})
    assert membership.pause_s == ROUND_S
    membership.is_resting = True
    membership.see(0, {}, [])
    assert (membership.is_lonely, membership.pause_s) == (True, RESTING_ROUND_S)
    membership.is_resting = False
    assert membership.pause_s == LONELY_ROUND_S


def test_an_initial_peer_is_called_again_for_as_long_as_it_is_away() -> None:
    membership = Membership({"first": FIRST})
    for now_s in range(0, 10_000, 100):
        assert called(membership, now_s, "a") == ["first"]
    assert called(membership, 10_000, "a", "first") == []


def test_an_initial_peer_that_is_remembered_but_not_connected_is_called() -> None:
    membership = Membership({"first": FIRST})
    membership.see(0, connected("a"), ["a", "first"])
    assert membership.calls_due(0, ["a"], ["a", "first"]) == [FIRST]


def test_nobody_is_called_twice_within_a_round() -> None:
    membership = Membership({"first": FIRST})
    assert called(membership, 0, "a") == ["first"]
    assert called(membership, ROUND_S - 1, "a") == []


def test_a_known_peer_that_is_lost_is_called_ever_less_often_and_forgotten_after_an_hour() -> None:
    membership = Membership({})
    called(membership, 0, "a", "b")
    times = [now_s for now_s in range(5, 5000, 5) if called(membership, now_s, "b") == ["a"]]
    waits = [later - earlier for earlier, later in pairwise(times)]
    assert waits[:4] == [30, 60, 120, 120]
    assert 3400 < times[-1] < 3600


def test_clients_are_not_remembered() -> None:
    membership = Membership({})
    membership.see(0, connected("a"), [])
    assert membership.everybody() == []
    assert called(membership, 100) == []


def test_a_peer_with_nobody_looks_around_more_often() -> None:
    membership = Membership({"first": FIRST})
    called(membership, 0, "first")
    assert membership.pause_s == ROUND_S
    assert called(membership, 10) == ["first"]
    assert membership.pause_s == LONELY_ROUND_S
    assert called(membership, 11) == ["first"]


@pytest.mark.parametrize("initial", [{}, {"first": FIRST}], ids=["no initial peers", "an initial peer"])
def test_who_reaches_nobody_for_a_minute_starts_afresh_if_there_is_anybody_to_reach(
    initial: dict[str, Contact],
) -> None:
    membership = Membership(initial)
    called(membership, 0)
    assert not membership.wants_fresh_start(FRESH_START_S - 1)
    assert membership.wants_fresh_start(FRESH_START_S) == bool(initial)
    membership.started_afresh()
    called(membership, FRESH_START_S)
    assert not membership.wants_fresh_start(FRESH_START_S + 1)


def test_a_peer_that_starts_anew_calls_the_initial_ones_and_those_it_saw_last() -> None:
    membership = Membership({"first": FIRST})
    called(membership, 0, "first", "a")
    called(membership, 10, "first", "b")
    assert [contact.peer for contact in membership.everybody()] == ["first", "b", "a"]
    assert membership.everybody()[1].addresses == (PLACES["b"],)


def test_addresses_of_one_peer_belong_together_and_ones_own_are_left_out() -> None:
    assert contacts_of("me", ["/ip4/192.0.2.1/tcp/1/p2p/x", "/ip4/192.0.2.9/tcp/1/p2p/me", "/dns4/a/tcp/2/p2p/x"]) == {
        "x": Contact("x", ("/ip4/192.0.2.1/tcp/1", "/dns4/a/tcp/2"))
    }


def test_restarts_are_tried_at_once_then_ever_less_often_until_one_lasts() -> None:
    delays = RestartDelays()
    assert [delays.after(lived_s) for lived_s in (60, 0, 0, 1, 0, 0, 0, 0, 0)] == [
        0,
        0.2,
        0.4,
        0.8,
        1.6,
        3.2,
        6.4,
        10,
        10,
    ]
    assert [delays.after(lived_s) for lived_s in (60, 0)] == [0, 0.2]
