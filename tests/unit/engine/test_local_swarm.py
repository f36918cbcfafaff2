"""A model is split into spans of nearly equal size."""

from __future__ import annotations

import pytest

from meadow_engine.local_swarm import split_layers


@pytest.mark.parametrize(
    ("layers", "parts", "spans"),
    [
        (8, 3, [(0, 3), (3, 6), (6, 8)]),
        (8, 1, [(0, 8)]),
        (8, 8, [(n, n + 1) for n in range(8)]),
        (3, 8, [(0, 1), (1, 2), (2, 3)]),
        (1, 1, [(0, 1)]),
        (4, 0, [(0, 4)]),
    ],
)
def test_layers_are_split_with_the_larger_spans_first(layers: int, parts: int, spans: list[tuple[int, int]]) -> None:
    assert split_layers(layers, parts) == spans


@pytest.mark.parametrize("layers", [1, 7, 32, 80])
@pytest.mark.parametrize("parts", [1, 2, 5, 9])
def test_every_layer_is_in_exactly_one_span(layers: int, parts: int) -> None:
    spans = split_layers(layers, parts)
    assert [layer for start, end in spans for layer in range(start, end)] == list(range(layers))
    sizes = {end - start for start, end in spans}
    assert max(sizes) - min(sizes) <= 1
