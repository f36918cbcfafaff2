"""From what servers announce: which layers are held, by whom, and how fast the best chain would be."""

from __future__ import annotations

import pytest

from meadow_client.routing.chains import DEFAULT_TOKEN_S, DEFAULT_TRIP_S, Leg
from meadow_client.swarm.directory import Announcement, Server
from meadow_engine.swarm_overview import find_model, overview


def server(peer: str, start: int, end: int, token_s: float = 0.02, model: str = "demo", layers: int = 8) -> Server:
    return Server(
        peer, Announcement(f"print-{model}", model, layers, 512, start, end, f"pc-{peer}", "0.1", "float32", token_s)
    )


def test_an_empty_swarm_has_no_models() -> None:
    assert overview([]) == []


def test_layers_that_nobody_holds_are_named_and_there_is_no_chain() -> None:
    [model] = overview([server("b", 4, 6), server("a", 0, 3), server("c", 4, 5)])
    assert model.coverage == [1, 1, 1, 0, 2, 1, 0, 0]
    assert model.missing == [(3, 4), (6, 8)]
    assert (model.is_complete, model.chain, model.tokens_per_second) == (False, None, None)
    assert [holder.peer for holder in model.holders] == ["a", "c", "b"]


def test_the_rate_is_that_of_the_best_chain() -> None:
    [model] = overview([server("a", 0, 4, 0.04), server("slow", 2, 8, 0.6), server("b", 4, 8, 0.02)])
    assert model.is_complete
    assert model.chain == [Leg("a", 0, 4), Leg("b", 4, 8)]
    assert model.tokens_per_second == pytest.approx(1 / (0.04 + 0.02 + 2 * DEFAULT_TRIP_S))


def test_a_part_of_a_servers_layers_takes_a_part_of_its_time() -> None:
    [model] = overview([server("a", 0, 6, 0.06), server("b", 4, 8, 0.004)])
    assert model.chain == [Leg("a", 0, 4), Leg("b", 4, 8)]
    assert model.tokens_per_second == pytest.approx(1 / (0.04 + 0.004 + 2 * DEFAULT_TRIP_S))


def test_a_server_that_was_not_measured_yet_counts_as_an_average_one() -> None:
    [model] = overview([server("a", 0, 8, 0.0)])
    assert model.holders[0].tokens_per_second is None
    assert model.tokens_per_second == pytest.approx(1 / (DEFAULT_TOKEN_S + DEFAULT_TRIP_S))


def test_models_are_in_the_order_of_their_names_and_never_mixed() -> None:
    servers = [server("a", 0, 4, model="Zebra"), server("b", 4, 8, model="ant"), server("c", 0, 4, model="ant")]
    assert [(model.name, len(model.holders)) for model in overview(servers)] == [("ant", 2), ("Zebra", 1)]


def test_who_lies_about_the_number_of_layers_makes_another_model_and_spoils_nobodys() -> None:
    found = overview([server("a", 0, 8), server("liar", 0, 2, layers=4000)])
    assert sorted((model.num_layers, model.is_complete) for model in found) == [(8, True), (4000, False)]


@pytest.mark.parametrize("wanted", ["demo", "Demo", "print-demo", "somebody/demo", "folder/demo/"])
def test_a_model_is_found_by_name_or_fingerprint(wanted: str) -> None:
    models = overview([server("a", 0, 4), server("b", 0, 4, model="other")])
    assert [model.name for model in find_model(models, wanted)] == ["demo"]


@pytest.mark.parametrize("wanted", ["dem", "demo2", "", "print"])
def test_a_model_that_is_not_there_is_not_found(wanted: str) -> None:
    assert find_model(overview([server("a", 0, 4)]), wanted) == []
