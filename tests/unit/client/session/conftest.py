"""Servers that only remember what they were asked, and double what they are given; and a swarm of real ones."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch

from fakes.leaving import Gate
from fakes.span_servers import Network, swarm_of
from meadow_client.errors import MeadowError
from meadow_client.models.description import describe
from meadow_client.routing.chains import Leg
from meadow_client.session.chain import Member
from meadow_client.session.job import Job
from meadow_client.session.swarm_client import ClientOptions, SessionRange
from meadow_client.swarm.background import BackgroundLoop, wait_for_other_loop
from meadow_client.swarm.node import Stream
from meadow_client.wire.messages import Address, HandOver
from meadow_engine.runtime.span import LoadOptions, Span
from meadow_engine.serving import span_server
from meadow_engine.serving.links import Links
from meadow_engine.serving.sessions import ServerSession

PEER = "12D3KooWservant"
LAYERS = {"a": (0, 2), "b": (2, 4), "c": (4, 6)}


@dataclass(eq=False)
class FakeHop:
    """One server of a session."""

    leg: Leg
    failed: MeadowError | None = None
    pinged_s: float | None = None
    leaves_s: float | None = None
    is_linked: bool = False
    is_closed: bool = False
    address: Address = field(default_factory=lambda: Address(PEER, "0" * 32))

    def ping(self) -> None:
        """It lives."""

    def listen(self, _listener: Any) -> None:
        """Nothing is heard of it."""

    async def aclose(self) -> None:
        self.is_closed = True


@dataclass
class FakePipeline:
    """`fails_with` is raised by the next steps, one after the other; `ends_with` after the next answer."""

    members: list[Member] = field(default_factory=lambda: [Member(Leg(PEER, 0, 6), "computer")])
    steps: list[tuple[int, dict[str, torch.Tensor]]] = field(default_factory=list)
    jobs: list[Job] = field(default_factory=list)
    fails_with: list[MeadowError] = field(default_factory=list)
    ends_with: MeadowError | None = None
    blocks: bool = False
    failed: MeadowError | None = None
    trips: int = 1
    hops: list[FakeHop] = field(default_factory=list)

    async def run(self, job: Job) -> torch.Tensor:
        if self.fails_with:
            raise self.fails_with.pop(0)
        tensors: Any = job.tensors
        self.steps.append((job.position, dict(tensors)))
        self.jobs.append(job)
        if self.blocks:
            await asyncio.Event().wait()
        output: torch.Tensor = tensors["hidden"][:, max(0, job.keep_from - job.position) :] * 2
        if self.ends_with is not None:
            job.answered(tensors["hidden"].shape[1], output)
            raise self.ends_with
        return output

    def fail(self, error: MeadowError) -> None:
        self.failed = error

    def listen(self) -> None:
        self.failed = None

    def compute_s(self) -> float:
        return 0.25


@dataclass
class FakeClient:
    """What a session needs of a SwarmClient."""

    loop: asyncio.AbstractEventLoop
    steps_through: FakePipeline = field(default_factory=FakePipeline)
    options: ClientOptions = field(default_factory=ClientOptions)
    num_layers: int = 6
    model: str = "fingerprint"
    model_name: str = "demo"
    opened: list[tuple[int, int, int, int]] = field(default_factory=list)
    hops: list[FakeHop] = field(default_factory=list)
    banned: list[str] = field(default_factory=list)
    on_opened: Callable[[], None] | None = None

    @property
    def is_closed(self) -> bool:
        """Whether nothing is open on any server."""
        return all(hop.is_closed for hop in self.hops)

    def wait_for(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return wait_for_other_loop(self.loop, coroutine)

    def keep_fresh(self) -> None:
        """Nobody else comes."""

    def ban(self, peer: str) -> None:
        self.banned.append(peer)

    async def open_hops(
        self, start: int, end: int, layers: SessionRange, batch: int, *_others: Any
    ) -> list[tuple[FakeHop, Member]]:
        self.opened.append((start, end, batch, layers.max_length))
        leg = Leg(PEER, start, end)
        self.hops.append(FakeHop(leg))
        if self.on_opened is not None:
            self.on_opened()
        return [(self.hops[-1], Member(leg, "computer"))]

    def pipeline(self, _hops: Any, members: list[Member], *_others: Any) -> FakePipeline:
        self.steps_through.members = members
        return self.steps_through


@pytest.fixture
def client() -> Iterator[FakeClient]:
    background = BackgroundLoop()
    yield FakeClient(background.loop)
    background.close()


@pytest.fixture(scope="session")
def spans(tiny_model: Callable[[str], Path]) -> dict[str, Span]:
    description, cpu = describe(str(tiny_model("llama"))), torch.device("cpu")
    return {
        name: Span.load(description, start, end, cpu, LoadOptions("float32")) for name, (start, end) in LAYERS.items()
    }


@pytest.fixture
async def swarm(spans: dict[str, Span]) -> AsyncIterator[Network]:
    """Servers "a1" to "a3", "b1" to "b3" and "c1" to "c3"; the first ones are the fastest."""
    async with swarm_of(spans) as network:
        yield network


@pytest.fixture
def gates(monkeypatch: pytest.MonkeyPatch) -> dict[str, Gate]:
    """For whoever leaves: before it reads its cache, and after that, before it sends what it read to "b2"."""
    before_reading, before_sending = Gate(), Gate()
    hand_over, reach = ServerSession._hand_over, Links.reach

    async def slow_hand_over(self: ServerSession, request: HandOver) -> None:
        await before_reading.pass_through()
        await hand_over(self, request)

    async def slow_reach(self: Links, address: Address) -> Stream | None:
        if address.peer == "b2":
            await before_sending.pass_through()
        return await reach(self, address)

    monkeypatch.setattr(ServerSession, "_hand_over", slow_hand_over)
    monkeypatch.setattr(Links, "reach", slow_reach)
    return {"reading": before_reading, "sending": before_sending}


@pytest.fixture
def soon_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever finds no successor goes after a short silence."""
    monkeypatch.setattr(span_server, "_QUIET_S", 0.1)
