"""Real span servers in one process, whose streams are not sockets but pairs of buffers.

A `Network` stands for libp2p: it opens streams to servers by name, as a `SwarmNode` does for clients and as `connect`
does for servers. A `Client` speaks for itself, frame by frame.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from secrets import token_hex
from typing import Any

import torch

from fakes.streams import PipeWriter, flat, hear, stream_pair
from meadow_client.routing.chains import Leg
from meadow_client.session.chain import Member
from meadow_client.session.hop import Hop
from meadow_client.session.pipeline import Pipeline, PipelineOptions
from meadow_client.swarm.node import PeerUnreachableError, Stream
from meadow_client.wire.messages import VERSION, Failure, Open, Step, Timing
from meadow_engine.runtime.batcher import Batcher
from meadow_engine.runtime.device import ComputeThread
from meadow_engine.runtime.pool import PagePool, PoolLimits
from meadow_engine.runtime.span import Span
from meadow_engine.serving.span_server import ServingLimits, SpanServer

MODEL = "fingerprint"
PAGES = 40


@dataclass(eq=False)
class Network:
    """Who can be reached, and everything that is served now."""

    servers: dict[str, Served] = field(default_factory=dict)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    streams: dict[str, list[Stream]] = field(default_factory=dict)

    async def open(self, peer: str, _protocol: str = "") -> Stream:
        if peer not in self.servers:
            raise PeerUnreachableError("nobody there")
        ours, theirs = stream_pair(there=peer)
        self.streams.setdefault(peer, []).append(theirs)
        task = asyncio.get_running_loop().create_task(self._serve(self.servers[peer], theirs))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return ours

    async def _serve(self, served: Served, stream: Stream) -> None:
        try:
            await served.server.serve(stream)
        finally:
            await stream.aclose()

    def kill(self, peer: str) -> None:
        """The server's computer is switched off: its streams end, and nobody reaches it any more."""
        del self.servers[peer]
        for stream in self.streams[peer]:
            stream.writer.close()

    async def quiet(self) -> None:
        """When nobody is served any more."""
        async with asyncio.timeout(20):
            while self.tasks:
                await asyncio.wait(list(self.tasks))

    async def pipeline(
        self, *legs: Leg, batch: int = 1, max_length: int = 200, link: bool = True, **options: Any
    ) -> Pipeline:
        """A client's session through these servers, opened as the real client does."""
        session, hops = token_hex(16), []
        chosen = PipelineOptions(**options)
        names = [leg.peer for leg in legs[1:]] if link else []
        async with asyncio.TaskGroup() as group:
            for index, leg in enumerate(legs):
                following = names[index] if index < len(names) else None
                opening = Open(VERSION, "session", MODEL, leg.start, leg.end, batch, max_length, session, following)
                node: Any = self
                hops.append(group.create_task(Hop.open(node, leg, opening, 10.0, 60.0)))
        return Pipeline([hop.result() for hop in hops], [Member(leg, leg.peer) for leg in legs], chosen)


@dataclass(eq=False)
class Served:
    """One server and everything that tests look at."""

    name: str
    span: Span
    compute: ComputeThread
    network: Network
    limits: ServingLimits = field(default_factory=ServingLimits)
    pool: PagePool = field(default_factory=lambda: PagePool(PoolLimits(PAGES)))

    def __post_init__(self) -> None:
        self.batcher = Batcher(self.compute)
        self.restart()
        self.network.servers[self.name] = self

    def restart(self, limits: ServingLimits | None = None, pool: PagePool | None = None) -> None:
        """Serve new clients with other limits."""
        self.pool, self.limits = pool or self.pool, limits or self.limits
        self.server = SpanServer(MODEL, self.span, self.batcher, self.pool, self.network.open, self.limits)

    def assert_is_free(self) -> None:
        assert self.pool.free_pages == self.pool.total_pages
        assert self.pool.waiting == 0
        assert self.server.counts.sessions == 0
        assert self.server._sessions == {}


@dataclass(eq=False)
class Client:
    """One stream to a server, spoken by hand."""

    stream: Stream

    @property
    def writer(self) -> PipeWriter:
        return self.stream.writer  # type: ignore[return-value]

    def say(self, *data: bytes) -> None:
        for part in data:
            self.writer.write(part)

    async def hear(self) -> Any:
        """The next reply; a result is its hidden states or its gradient."""
        async with asyncio.timeout(20):
            reply, tensors = await hear(self.stream)
        return next(iter(tensors.values())) if tensors else reply

    async def hear_all(self, most: int) -> list[Any]:
        """Replies until there are so many, one of them is a failure, or the server hangs up."""
        replies: list[Any] = []
        while len(replies) < most:
            try:
                replies.append(await self.hear())
            except asyncio.IncompleteReadError:
                break
            if isinstance(replies[-1], Failure):
                break
        return replies

    def hang_up(self) -> None:
        self.stream.writer.close()


@asynccontextmanager
async def client_of(network: Network, peer: str) -> AsyncIterator[Client]:
    client = Client(await network.open(peer))
    try:
        yield client
    finally:
        client.hang_up()


def opening(**changes: Any) -> bytes:
    usual = {
        "version": VERSION,
        "kind": "session",
        "model": MODEL,
        "start": 1,
        "end": 5,
        "batch": 4,
        "max_length": 200,
        "session": token_hex(16),
    }
    return flat(Open(**{**usual, **changes}))


def step(
    position: int,
    hidden: torch.Tensor,
    route: tuple[str, ...] = (),
    keep_from: int = 0,
    codec: Any = "raw",
    timings: tuple[Timing, ...] = (),
    **others: Any,
) -> bytes:
    return flat(Step(position, (), route, keep_from, codec=codec, timings=timings), hidden=hidden, **others)
