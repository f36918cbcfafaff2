"""The engine shows what servers announce; only the picture of the swarm says how far away they are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from meadow_client.swarm.directory import Announcement, Server
from meadow_engine.api.places import find_places
from meadow_engine.engine import Engine
from meadow_engine.kept_settings import KeptSettings

SELF, HOST, ANNA, GONE = "12D3KooWself", "12D3KooWhost", "12D3KooWanna", "12D3KooWgone"


@dataclass(frozen=True)
class KnownModel:
    """What this computer's files say of a model."""

    name: str = "demo"
    fingerprint: str = "print-demo"
    num_layers: int = 8
    context_length: int = 256


class Node:
    """A swarm of three servers of the demo model: this engine's own, one that answers, one that went away."""

    def __init__(self) -> None:
        self.peer, self.on_look, self.directory = SELF, None, self
        self.pings: list[str] = []

    async def all_servers(self) -> list[Server]:
        return [
            Server(peer, Announcement("print-demo", "demo", 8, 512, start, 8, "pc", "0.1", "float32", 0.02))
            for peer, start in ((HOST, 0), (ANNA, 0), (GONE, 4))
        ]

    async def ping(self, peer: str) -> bool:
        self.pings.append(peer)
        return peer == ANNA


@pytest.fixture
def node() -> Node:
    return Node()


@pytest.fixture
def engine(tmp_path: Path, node: Node) -> Engine:
    async def known() -> list[KnownModel]:
        return [KnownModel()]

    places = find_places(tmp_path)
    chats: Any = SimpleNamespace(known=known)
    sharing: Any = SimpleNamespace(on_change=None, hosted=SimpleNamespace(peer=HOST))
    reachable: Any = node
    other: Any = SimpleNamespace(on_change=None)
    kept = KeptSettings(places.settings_file)
    return Engine(places, kept, reachable, other, chats, sharing, other, other, lambda: "", other)


async def test_the_list_of_models_is_there_without_asking_any_server(engine: Engine, node: Node) -> None:
    [model] = await engine.models()
    assert (model.id, model.servers, model.coverage) == ("demo", 3, [2] * 4 + [3] * 4)
    assert node.pings == []


async def test_the_picture_of_the_swarm_says_how_far_away_the_others_are(engine: Engine, node: Node) -> None:
    [model] = (await engine.swarm()).models
    assert {server.peer for server in model.servers if server.latency_s is not None} == {ANNA}
    assert {server.peer for server in model.servers if server.is_own} == {HOST}
    assert set(node.pings) == {ANNA, GONE}


async def test_both_show_the_same_models(engine: Engine) -> None:
    assert await engine.models() == [model.status() for model in (await engine.swarm()).models]
