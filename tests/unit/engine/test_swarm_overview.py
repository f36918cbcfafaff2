"""From what servers announce: which layers are held, by whom, and how fast the best chain would be."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from meadow_client.routing.chains import DEFAULT_TOKEN_S, DEFAULT_TRIP_S
from meadow_client.swarm.directory import Announcement, Server
from meadow_engine.api.swarm import ModelOverview
from meadow_engine.swarm_overview import find_model, overview


def server(peer: str, start: int, end: int, token_s: float = 0.02, model: str = "demo", layers: int = 8) -> Server:
    return Server(
        peer, Announcement(f"print-{model}", model, layers, 512, start, end, f"pc-{peer}", "0.1", "float32", token_s)
    )


@dataclass(frozen=True)
class KnownModel:
    """What this computer's files say of a model."""

    name: str
    fingerprint: str
    num_layers: int = 8
    context_length: int = 256


OWN = KnownModel("demo", "print-demo")


def chain_of(model: ModelOverview) -> list[tuple[str, int, int]]:
    assert model.chain is not None
    return [(part.name, part.start, part.end) for part in model.chain]


def test_an_empty_swarm_has_no_models() -> None:
    assert overview([]) == []


def test_layers_that_nobody_holds_are_named_and_there_is_no_chain() -> None:
    [model] = overview([server("b", 4, 6), server("a", 0, 3), server("c", 4, 5)])
    assert model.coverage == [1, 1, 1, 0, 2, 1, 0, 0]
    assert [(gap.start, gap.end) for gap in model.missing] == [(3, 4), (6, 8)]
    assert (model.is_complete, model.chain, model.tokens_per_second) == (False, None, None)
    assert [holder.peer for holder in model.servers] == ["a", "c", "b"]


def test_the_rate_is_that_of_the_best_chain() -> None:
    [model] = overview([server("a", 0, 4, 0.04), server("slow", 2, 8, 0.6), server("b", 4, 8, 0.02)])
    assert model.is_complete
    assert chain_of(model) == [("pc-a", 0, 4), ("pc-b", 4, 8)]
    assert model.tokens_per_second == pytest.approx(1 / (0.04 + 0.02 + 2 * DEFAULT_TRIP_S))


def test_a_part_of_a_servers_layers_takes_a_part_of_its_time() -> None:
    [model] = overview([server("a", 0, 6, 0.06), server("b", 4, 8, 0.004)])
    assert chain_of(model) == [("pc-a", 0, 4), ("pc-b", 4, 8)]
    assert model.tokens_per_second == pytest.approx(1 / (0.04 + 0.004 + 2 * DEFAULT_TRIP_S))


def test_a_server_that_was_not_measured_yet_counts_as_an_average_one() -> None:
    [model] = overview([server("a", 0, 8, 0.0)])
    assert model.servers[0].tokens_per_second is None
    assert model.tokens_per_second == pytest.approx(1 / (DEFAULT_TOKEN_S + DEFAULT_TRIP_S))


def test_models_are_in_the_order_of_their_names_and_never_mixed() -> None:
    servers = [server("a", 0, 4, model="Zebra"), server("b", 4, 8, model="ant"), server("c", 0, 4, model="ant")]
    assert [(model.name, len(model.servers)) for model in overview(servers)] == [("ant", 2), ("Zebra", 1)]


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


def test_a_known_model_comes_first_and_is_there_without_servers() -> None:
    own, other = overview([server("a", 0, 8, model="ant")], [OWN])
    assert (own.id, own.coverage, own.servers, own.is_complete, own.chain) == ("demo", [0] * 8, [], False, None)
    assert other.id == "ant"
    assert own.status().model_dump() == {
        "id": "demo",
        "num_layers": 8,
        "coverage": [0] * 8,
        "servers": 0,
        "context_length": 256,
        "is_complete": False,
    }


def test_what_files_say_counts_more_than_what_servers_say() -> None:
    [own] = overview([server("a", 0, 8)], [OWN])
    assert (own.context_length, own.is_complete) == (256, True)


def test_a_name_belongs_to_the_known_model_and_others_add_their_fingerprints() -> None:
    pretended = server("liar", 0, 8, model="demo", layers=9)
    own, other = overview([pretended], [OWN])
    assert (own.id, own.servers) == ("demo", [])
    assert (other.id, other.name) == ("demo@print-de", "demo")


def test_among_strangers_a_name_belongs_to_the_model_that_most_computers_hold() -> None:
    def announced(peer: str, fingerprint: str) -> Server:
        return Server(peer, Announcement(fingerprint, "demo", 8, 512, 0, 8, peer, "0.1", "int8"))

    found = overview([announced("a", "aaaaaaaaaaaa"), announced("b", "bbbbbbbbbbbb"), announced("c", "bbbbbbbbbbbb")])
    assert [(model.id, len(model.servers)) for model in found] == [("demo", 2), ("demo@aaaaaaaa", 1)]


def test_no_two_models_share_an_id_whatever_servers_call_them() -> None:
    names = ["", "demo", "demo@print-de", "demo"]
    servers = [
        Server(f"peer-{index}", Announcement(f"print-demo{layers}", name, layers, 512, 0, 2, "", "0.1", "int8"))
        for index, name in enumerate(names)
        for layers in (2, 3)
    ]
    ids = [model.id for model in overview(servers, [OWN])]
    assert len(set(ids)) == len(ids)
    assert all(ids)


def test_own_servers_and_measured_trips_are_shown_and_count() -> None:
    [model] = overview([server("a", 0, 8), server("b", 0, 8)], own_peers={"b"}, trips={"a": 0.001})
    a, b = model.servers
    assert (a.is_own, a.latency_s, b.is_own, b.latency_s) == (False, 0.001, True, None)
    assert chain_of(model) == [("pc-a", 0, 8)]
    assert model.tokens_per_second == pytest.approx(1 / (0.02 + 0.001))
