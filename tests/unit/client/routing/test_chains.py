"""A chain covers the layers that were asked for, at the least cost."""

from __future__ import annotations

import itertools
import random

import pytest

from meadow_client.routing.chains import DEFAULT_TOKEN_S, Leg, Offer, coverage, missing_layers, plan_chain


def covers(legs: list[Leg], start: int, end: int) -> bool:
    boundaries = [start, *[leg.end for leg in legs]]
    return boundaries[-1] == end and all(
        leg.start == before < leg.end for leg, before in zip(legs, boundaries[:-1], strict=True)
    )


def cost(offers: list[Offer], legs: list[Leg]) -> float:
    by_peer = {offer.peer: offer for offer in offers}
    total = 0.0
    for leg in legs:
        offer = by_peer[leg.peer]
        assert offer.start <= leg.start < leg.end <= offer.end
        total += offer.trip_s + (offer.token_s or DEFAULT_TOKEN_S) * (leg.end - leg.start) / (offer.end - offer.start)
    return total


def cheapest_by_trying_all(offers: list[Offer], start: int, end: int) -> float | None:
    """Every chain there is: every set of boundaries, and every server for each leg."""
    found = []
    inner = range(start + 1, end)
    for count in range(end - start):
        for cuts in itertools.combinations(inner, count):
            legs = list(itertools.pairwise((start, *cuts, end)))
            holders = [[o for o in offers if o.start <= first and last <= o.end] for first, last in legs]
            for chosen in itertools.product(*holders):
                chain = [Leg(o.peer, first, last) for o, (first, last) in zip(chosen, legs, strict=True)]
                found.append(cost(offers, chain))
    return min(found, default=None)


def test_one_server_with_all_layers_is_enough() -> None:
    assert plan_chain([Offer("a", 0, 6)], 0, 6) == [Leg("a", 0, 6)]


def test_servers_are_taken_in_the_order_of_their_layers() -> None:
    offers = [Offer("c", 4, 6), Offer("a", 0, 1), Offer("b", 1, 4)]
    assert plan_chain(offers, 0, 6) == [Leg("a", 0, 1), Leg("b", 1, 4), Leg("c", 4, 6)]


def test_the_faster_of_two_servers_is_taken() -> None:
    assert plan_chain([Offer("slow", 0, 6, 0.5), Offer("fast", 0, 6, 0.1)], 0, 6) == [Leg("fast", 0, 6)]


def test_fewer_trips_are_better_than_equal_computing_in_more_places() -> None:
    offers = [Offer("a", 0, 3, 0.03), Offer("b", 3, 6, 0.03), Offer("all", 0, 6, 0.06)]
    assert plan_chain(offers, 0, 6) == [Leg("all", 0, 6)]


def test_a_detour_over_two_fast_servers_is_better_than_a_slow_one() -> None:
    offers = [Offer("a", 0, 3, 0.03), Offer("b", 3, 6, 0.03), Offer("all", 0, 6, 2.0)]
    assert plan_chain(offers, 0, 6) == [Leg("a", 0, 3), Leg("b", 3, 6)]


def test_overlapping_spans_are_used_in_part() -> None:
    legs = plan_chain([Offer("a", 0, 4), Offer("b", 2, 6)], 0, 6)
    assert legs is not None
    assert [leg.peer for leg in legs] == ["a", "b"]
    assert covers(legs, 0, 6)


def test_where_spans_overlap_the_faster_server_computes_the_overlap() -> None:
    assert plan_chain([Offer("slow", 0, 4, 4.0), Offer("fast", 2, 6, 0.4)], 0, 6) == [
        Leg("slow", 0, 2),
        Leg("fast", 2, 6),
    ]


def test_a_part_of_the_layers_takes_a_part_of_a_server() -> None:
    assert plan_chain([Offer("a", 0, 6)], 2, 5) == [Leg("a", 2, 5)]


def test_a_server_that_announced_no_time_counts_as_an_ordinary_one() -> None:
    offers = [Offer("unknown", 0, 6, 0.0), Offer("slow", 0, 6, 10 * DEFAULT_TOKEN_S)]
    assert plan_chain(offers, 0, 6) == [Leg("unknown", 0, 6)]
    offers = [Offer("unknown", 0, 6, 0.0), Offer("fast", 0, 6, DEFAULT_TOKEN_S / 10)]
    assert plan_chain(offers, 0, 6) == [Leg("fast", 0, 6)]


def test_excluded_servers_are_not_used() -> None:
    offers = [Offer("a", 0, 6), Offer("b", 0, 6, 5.0)]
    assert plan_chain(offers, 0, 6, excluded={"a"}) == [Leg("b", 0, 6)]
    assert plan_chain(offers, 0, 6, excluded={"a", "b"}) is None


def test_between_equal_chains_the_earlier_offer_wins() -> None:
    assert plan_chain([Offer("a", 0, 6), Offer("b", 0, 6)], 0, 6) == [Leg("a", 0, 6)]
    assert plan_chain([Offer("b", 0, 6), Offer("a", 0, 6)], 0, 6) == [Leg("b", 0, 6)]


@pytest.mark.parametrize(
    ("offers", "missing"),
    [
        ([], [(0, 6)]),
        ([Offer("a", 0, 6)], []),
        ([Offer("a", 0, 2)], [(2, 6)]),
        ([Offer("a", 2, 4)], [(0, 2), (4, 6)]),
        ([Offer("a", 0, 2), Offer("b", 3, 6)], [(2, 3)]),
    ],
)
def test_there_is_no_chain_exactly_when_layers_are_missing(offers: list[Offer], missing: list[tuple[int, int]]) -> None:
    assert missing_layers(offers, 0, 6) == missing
    assert (plan_chain(offers, 0, 6) is None) == bool(missing)


def test_layers_of_excluded_servers_are_missing() -> None:
    assert missing_layers([Offer("a", 0, 4), Offer("b", 3, 6)], 0, 6, {"a"}) == [(0, 3)]


def test_only_the_layers_asked_for_can_be_missing() -> None:
    assert missing_layers([Offer("a", 2, 4)], 1, 3) == [(1, 2)]


def test_coverage_counts_the_servers_of_every_layer() -> None:
    offers = [Offer("a", 0, 3), Offer("b", 2, 5), Offer("c", 2, 3)]
    assert coverage(offers, 5) == [1, 1, 3, 1, 1]
    assert coverage(offers, 5, {"b"}) == [1, 1, 2, 0, 0]


def test_an_offer_of_more_layers_than_the_model_has_counts_for_those_it_has() -> None:
    assert coverage([Offer("a", 1, 99), Offer("b", 50, 60)], 3) == [0, 1, 1]


@pytest.mark.parametrize("seed", range(60))
def test_no_chain_is_cheaper_than_the_one_that_is_planned(seed: int) -> None:
    rng = random.Random(seed)
    layers = rng.randint(1, 6)
    offers = []
    for index in range(rng.randint(0, 5)):
        first = rng.randrange(layers)
        last = rng.randint(first + 1, layers)
        offers.append(Offer(f"peer{index}", first, last, rng.choice([0.0, 0.01, 0.1, 1.0]), rng.choice([0.001, 0.01])))
    start = rng.randrange(layers)
    end = rng.randint(start + 1, layers)

    legs = plan_chain(offers, start, end)

    cheapest = cheapest_by_trying_all(offers, start, end)
    if legs is None:
        assert cheapest is None
        assert missing_layers(offers, start, end)
    else:
        assert covers(legs, start, end)
        assert cost(offers, legs) == pytest.approx(cheapest)
