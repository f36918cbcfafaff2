"""Servers that only remember what they were asked, and double what they are given."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch

from meadow_client.errors import MeadowError
from meadow_client.routing.chains import Leg
from meadow_client.session.chain import Member
from meadow_client.swarm.background import BackgroundLoop, wait_for_other_loop

PEER = "12D3KooWservant"


@dataclass
class FakePipeline:
    members: list[Member] = field(default_factory=lambda: [Member(Leg(PEER, 0, 6), "computer")])
    steps: list[tuple[int, dict[str, torch.Tensor]]] = field(default_factory=list)
    kept_from: list[int] = field(default_factory=list)
    fails_with: MeadowError | None = None
    blocks: bool = False
    is_closed: bool = False

    async def step(self, position: int, tensors: dict[str, torch.Tensor], keep_from: int = 0) -> torch.Tensor:
        if self.fails_with is not None:
            raise self.fails_with
        self.steps.append((position, dict(tensors)))
        self.kept_from.append(keep_from)
        if self.blocks:
            await asyncio.Event().wait()
        return tensors["hidden"][:, max(0, keep_from - position) :] * 2

    def compute_s(self) -> float:
        return 0.25

    async def aclose(self) -> None:
        self.is_closed = True


@dataclass
class FakeClient:
    """What a session needs of a SwarmClient."""

    loop: asyncio.AbstractEventLoop
    pipeline: FakePipeline = field(default_factory=FakePipeline)
    num_layers: int = 6
    model_name: str = "demo"
    opened: list[tuple[Any, ...]] = field(default_factory=list)
    banned: list[str] = field(default_factory=list)
    on_opened: Callable[[], None] | None = None

    def wait_for(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return wait_for_other_loop(self.loop, coroutine)

    def ban(self, peer: str) -> None:
        self.banned.append(peer)

    async def open_session(self, *asked: Any) -> FakePipeline:
        self.opened.append(asked)
        if self.on_opened is not None:
            self.on_opened()
        return self.pipeline


@pytest.fixture
def client() -> Iterator[FakeClient]:
    background = BackgroundLoop()
    yield FakeClient(background.loop)
    background.close()
