"""Models are listed with how well their layers are covered."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from meadow_client.swarm.directory import Announcement, Server
from meadow_engine.models_overview import models_of

OWN: Any = SimpleNamespace(fingerprint="own", name="demo", num_layers=4, context_length=256)


def server(peer: str, model: str, start: int, end: int, layers: int = 4) -> Server:
    return Server(peer, Announcement(model, f"{model}-name", layers, 512, start, end, peer, "0", "float32"))


def test_without_servers_and_a_model_there_is_nothing() -> None:
    assert models_of([]) == []


def test_the_own_model_is_there_without_servers() -> None:
    (model,) = models_of([], OWN)
    assert (model.id, model.coverage, model.servers, model.is_complete) == ("demo", [0, 0, 0, 0], 0, False)


def test_servers_of_a_model_cover_it_together() -> None:
    (model,) = models_of([server("a", "m", 0, 3), server("b", "m", 2, 4)])
    assert (model.id, model.context_length) == ("m-name", 512)
    assert (model.coverage, model.servers, model.is_complete) == ([1, 1, 2, 1], 2, True)


def test_a_model_with_a_gap_is_not_complete() -> None:
    (model,) = models_of([server("a", "m", 0, 1), server("b", "m", 2, 4)])
    assert (model.coverage, model.is_complete) == ([1, 0, 1, 1], False)


def test_the_own_model_comes_first_by_its_own_description() -> None:
    own, other = models_of([server("a", "m", 0, 4), server("b", "own", 0, 9, layers=9)], OWN)
    assert (own.id, own.num_layers, own.coverage, own.context_length) == ("demo", 4, [1, 1, 1, 1], 256)
    assert other.id == "m-name"


def test_models_of_the_same_name_and_other_weights_are_apart() -> None:
    servers = [server("a", "one", 0, 2), server("b", "two", 2, 4)]
    assert [model.is_complete for model in models_of(servers)] == [False, False]
