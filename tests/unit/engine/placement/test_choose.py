"""A server that joins takes the layers that need it most."""

from __future__ import annotations

import random

import pytest

from meadow_engine.placement.choose import choose_span


@pytest.mark.parametrize(
    ("coverage", "capacity", "span"),
    [
        pytest.param([0, 0, 0, 0], 9, (0, 4), id="room for all layers"),
        pytest.param([0, 0, 0, 0], 2, (0, 2), id="an empty swarm"),
        pytest.param([1, 1, 0, 0], 2, (2, 4), id="the other half is missing"),
        pytest.param([0, 0, 1, 1], 2, (0, 2), id="the first half is missing"),
        pytest.param([1, 0, 1, 1], 2, (0, 2), id="one layer is missing"),
        pytest.param([2, 2, 2, 1], 1, (3, 4), id="one layer hangs on one server"),
        pytest.param([1, 1, 0, 1, 0, 0], 2, (4, 6), id="the wider gap first"),
        pytest.param([3, 1, 1, 3], 2, (1, 3), id="the weakest window"),
        pytest.param([0], 1, (0, 1), id="a model of one layer"),
        pytest.param([1, 1], 0, (0, 1), id="never less than one layer"),
    ],
)
def test_the_worst_covered_window_is_taken(coverage: list[int], capacity: int, span: tuple[int, int]) -> None:
    assert choose_span(coverage, capacity) == span


@pytest.mark.parametrize("seed", range(30))
def test_a_window_is_as_large_as_it_can_be_and_touches_the_weakest_layer(seed: int) -> None:
    rng = random.Random(seed)
    coverage = [rng.randint(0, 3) for _ in range(rng.randint(1, 12))]
    capacity = rng.randint(1, 14)
    start, end = choose_span(coverage, capacity)
    assert 0 <= start < end <= len(coverage)
    assert end - start == min(capacity, len(coverage))
    assert min(coverage[start:end]) == min(coverage)


@pytest.mark.parametrize("servers", [3, 5, 8])
def test_servers_that_join_one_after_the_other_cover_every_layer(servers: int) -> None:
    coverage = [0] * 24
    for _ in range(servers):
        start, end = choose_span(coverage, 8)
        for layer in range(start, end):
            coverage[layer] += 1
    assert min(coverage) >= servers // 3
