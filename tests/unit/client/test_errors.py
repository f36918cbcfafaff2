"""Errors speak to people in one sentence and to programs in a code."""

from __future__ import annotations

import re

import pytest

from meadow_client import errors
from meadow_client.errors import (
    ContextExceededError,
    LayersMissingError,
    LayersOutOfRangeError,
    MeadowError,
    PortTakenError,
    ServerLostError,
    ServerRefusedError,
    SwarmUnreachableError,
    UsageError,
    describe_layers,
)


@pytest.mark.parametrize(
    ("ranges", "words"),
    [
        ([(3, 4)], "layer 3"),
        ([(3, 6)], "layers 3–5"),
        ([(0, 2)], "layers 0–1"),
        ([(3, 4), (7, 9)], "layers 3 and 7–8"),
        ([(0, 1), (2, 3), (4, 6)], "layers 0, 2 and 4–5"),
    ],
)
def test_layers_are_described_in_words(ranges: list[tuple[int, int]], words: str) -> None:
    assert describe_layers(ranges) == words


EXAMPLES = [
    LayersOutOfRangeError(4, 9, 6),
    SwarmUnreachableError(["/ip4/192.0.2.7/tcp/1"]),
    SwarmUnreachableError(["/ip4/192.0.2.7/tcp/1", "b", "c"]),
    PortTakenError("/ip4/0.0.0.0/tcp/1"),
    LayersMissingError("demo", [(1, 3)]),
    LayersMissingError("demo", [(1, 3)], waited_s=12.3),
    ServerLostError("12D3KooWabcdefgh", 0, 3),
    ServerRefusedError("12D3KooWabcdefgh", 0, 3, "server-full"),
    ContextExceededError(300, 256),
]


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
def test_an_error_is_one_sentence_without_a_full_stop_and_has_advice_and_a_code(error: MeadowError) -> None:
    assert re.fullmatch(r"[A-Z].*[^.]", str(error))
    assert error.advice.endswith(".")
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", error.code)


def test_every_kind_of_error_has_a_code_of_its_own() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, MeadowError)]
    codes = [kind.code for kind in kinds]
    assert len(codes) == len(set(codes))


def test_missing_layers_are_named_with_the_wait() -> None:
    error = LayersMissingError("demo", [(1, 3)], waited_s=12.3)
    assert "layers 1–2 of demo" in str(error)
    assert "12 s" in str(error)
    assert error.missing == [(1, 3)]


def test_an_error_about_a_server_shows_the_end_of_its_id_only() -> None:
    assert "12D3KooW" not in str(ServerLostError("12D3KooWabcdefgh", 0, 3))


def test_advice_can_be_given_with_the_error() -> None:
    assert UsageError("No", "Do that.").advice == "Do that."
    assert UsageError("No").advice == ""
