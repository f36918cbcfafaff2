"""Choose a chain of servers that together cover a range of layers.

The cheapest path is found with Dijkstra's algorithm (Dijkstra 1959) over layer boundaries: standing at layer p, a
server that holds [s, e) with s <= p < e can carry the hidden states to any boundary in (p, e]. A leg costs one trip
over the network and its share of the server's announced time for one token.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Sequence
from dataclasses import dataclass

DEFAULT_TRIP_S = 0.01
DEFAULT_TOKEN_S = 0.02


@dataclass(frozen=True)
class Offer:
    """A server and the layers [start, end) it holds; `token_s` is its time for one token through all of them."""

    peer: str
    start: int
    end: int
    token_s: float = 0.0
    trip_s: float = DEFAULT_TRIP_S


@dataclass(frozen=True)
class Leg:
    """One server's part of a chain: layers [start, end)."""

    peer: str
    start: int
    end: int


def plan_chain(offers: Sequence[Offer], start: int, end: int, excluded: Collection[str] = ()) -> list[Leg] | None:
    """The cheapest chain over layers [start, end), or None when some layer is not offered.

    Between chains of equal cost the one that uses earlier offers wins, so a caller spreads load by shuffling.
    """
    usable = [offer for offer in offers if offer.peer not in excluded]
    best: dict[int, float] = {start: 0.0}
    came_from: dict[int, Leg] = {}
    queue = [(0.0, start)]
    while queue:
        cost, boundary = heapq.heappop(queue)
        if boundary == end:
            return _walk_back(came_from, start, end)
        if cost > best[boundary]:
            continue
        for offer in usable:
            if not offer.start <= boundary < offer.end:
                continue
            for target in range(boundary + 1, min(offer.end, end) + 1):
                total = cost + _leg_cost(offer, target - boundary)
                if total < best.get(target, float("inf")) - 1e-12:
                    best[target] = total
                    came_from[target] = Leg(offer.peer, boundary, target)
                    heapq.heappush(queue, (total, target))
    return None


def missing_layers(
    offers: Sequence[Offer], start: int, end: int, excluded: Collection[str] = ()
) -> list[tuple[int, int]]:
    """The layers of [start, end) that nobody offers, as half-open ranges."""
    counts = coverage(offers, end, excluded)
    return [(max(first, start), last) for first, last in gaps(counts) if last > start]


def gaps(counts: Sequence[int]) -> list[tuple[int, int]]:
    """Runs of zeros in a coverage, as half-open ranges."""
    found: list[tuple[int, int]] = []
    for layer, count in enumerate(counts):
        if count:
            continue
        if found and found[-1][1] == layer:
            found[-1] = (found[-1][0], layer + 1)
        else:
            found.append((layer, layer + 1))
    return found


def coverage(offers: Sequence[Offer], num_layers: int, excluded: Collection[str] = ()) -> list[int]:
    """For each of `num_layers` layers, how many servers offer it."""
    counts = [0] * num_layers
    for offer in offers:
        if offer.peer not in excluded:
            for layer in range(offer.start, min(offer.end, num_layers)):
                counts[layer] += 1
    return counts


def _leg_cost(offer: Offer, layers: int) -> float:
    token_s = offer.token_s or DEFAULT_TOKEN_S
    return offer.trip_s + token_s * layers / (offer.end - offer.start)


def _walk_back(came_from: dict[int, Leg], start: int, end: int) -> list[Leg]:
    legs: list[Leg] = []
    boundary = end
    while boundary != start:
        legs.append(came_from[boundary])
        boundary = legs[-1].start
    return legs[::-1]
