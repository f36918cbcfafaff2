"""Remote layers are taken in parts as a list is."""

from __future__ import annotations

from typing import Any

import pytest

from meadow_client.errors import UsageError
from meadow_client.session.sequential import RemoteSequential


def span(part: RemoteSequential) -> tuple[int, int]:
    return part.start, part.end


def test_all_layers_are_taken_by_default(client: Any) -> None:
    remote = RemoteSequential(client)
    assert span(remote) == (0, 6)
    assert len(remote) == 6


@pytest.mark.parametrize(
    ("key", "layers"),
    [
        (slice(1, 4), (1, 4)),
        (slice(None), (0, 6)),
        (slice(-2, None), (4, 6)),
        (slice(2, 99), (2, 6)),
        (0, (0, 1)),
        (-1, (5, 6)),
    ],
)
def test_a_part_counts_its_layers_from_the_whole(client: Any, key: Any, layers: tuple[int, int]) -> None:
    assert span(RemoteSequential(client)[key]) == layers


def test_a_part_of_a_part_counts_from_the_part(client: Any) -> None:
    assert span(RemoteSequential(client)[2:6][1:3]) == (3, 5)
    assert span(RemoteSequential(client)[2:6][-1]) == (5, 6)


@pytest.mark.parametrize("key", [6, -7, slice(3, 3), slice(4, 2), slice(9, 12)])
def test_layers_that_are_not_there_cannot_be_taken(client: Any, key: Any) -> None:
    with pytest.raises(IndexError):
        RemoteSequential(client)[key]


def test_layers_are_not_skipped_or_reversed(client: Any) -> None:
    for stride in (2, -1):
        with pytest.raises(UsageError, match="order"):
            RemoteSequential(client)[::stride]


def test_a_part_says_what_it_is(client: Any) -> None:
    assert "layers 2:4 of demo" in repr(RemoteSequential(client)[2:4])


def test_a_session_of_a_part_asks_for_its_layers(client: Any) -> None:
    import torch

    with RemoteSequential(client)[2:5].inference_session(16) as session:
        session.step(torch.zeros(1, 1, 4))
    assert client.opened[0][:2] == (2, 5)
