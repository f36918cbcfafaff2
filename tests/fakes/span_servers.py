"""Real span servers in one process, whose streams are not sockets but pairs of buffers.

A `Network` stands for libp2p: it opens streams to servers by name, as a `SwarmNode` does for clients and as `connect`
does for servers. A `Client` speaks for itself, frame by frame.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from secrets import token_hex
from types import SimpleNamespace
from typing import Any

import torch

from fakes.streams import PipeWriter, flat, hear, stream_pair
from meadow_client.routing.chains import Leg
from meadow_client.session.chain import Member
from meadow_client.session.hop import Hop
from meadow_client.session.job import Job
from meadow_client.session.pipeline import Pipeline, PipelineOptions
from meadow_client.session.swarm_client import ClientOptions, SwarmClient
from meadow_client.swarm.directory import Announcement, Server
from meadow_client.swarm.node import PeerUnreachableError, Stream
from meadow_client.wire.messages import VERSION, Address, Failure, Open, Pong, Step, Timing
from meadow_engine.runtime.batcher import Batcher
from meadow_engine.runtime.device import ComputeThread
from meadow_engine.runtime.pool import PagePool, PoolLimits
from meadow_engine.runtime.span import Span
from meadow_engine.serving.help import Help
from meadow_engine.serving.span_server import ServingLimits, SpanServer

MODEL = "fingerprint"
PAGES = 40


@dataclass(eq=False)
class Network:
    """Who can be reached, and everything that is served now.

    `streams` are the far ends of those that were opened to a server; `ends` all ends that a server or the client
    (whose name is empty) holds; `apart` those pairs that do not reach each other.
    """

    servers: dict[str, Served] = field(default_factory=dict)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    streams: dict[str, list[Stream]] = field(default_factory=dict)
    ends: list[tuple[str, str, Stream]] = field(default_factory=list)
    apart: set[tuple[str, str]] = field(default_factory=set)
    hanging: set[str] = field(default_factory=set)
    announced: list[Server] = field(default_factory=list)

    async def open(self, peer: str, _protocol: str = "", opener: str = "") -> Stream:
        if peer not in self.servers or (opener, peer) in self.apart:
            raise PeerUnreachableError("nobody there")
        if peer in self.hanging:
            await asyncio.Event().wait()
        ours, theirs = stream_pair(there=peer)
        self.streams.setdefault(peer, []).append(theirs)
        self.ends += [(opener, peer, ours), (peer, opener, theirs)]
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
        self.servers.pop(peer, None)
        for stream in self.streams.get(peer, []):
            stream.writer.close()

    def leave(self, peer: str, within_s: float = 20.0) -> asyncio.Task[None]:
        """The server ends on purpose; done when its clients have gone, or when it waits for them no longer."""

        async def leave() -> None:
            served = self.servers[peer]
            await served.server.leave(within_s)
            if self.servers.get(peer) is served:
                self.kill(peer)

        task = asyncio.get_running_loop().create_task(leave())
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    def hang(self, peer: str) -> None:
        """The server's computer stands still: nothing comes from it any more, not even an end."""
        self.hanging.add(peer)
        for owner, _other, stream in self.ends:
            if owner == peer:
                _pipe(stream).is_frozen = True

    def separate(self, first: str, second: str) -> None:
        """Two servers lose sight of each other; everybody else still reaches both."""
        self.apart |= {(first, second), (second, first)}
        for owner, other, stream in self.ends:
            if {owner, other} == {first, second}:
                stream.writer.close()

    def client(self, **options: Any) -> SwarmClient:
        """A client of all servers that were ever here: a directory forgets slowly."""

        async def servers(_model: str, _known_s: float = 0.0) -> list[Server]:
            return list(self.announced)

        node: Any = SimpleNamespace(open=self.open, directory=SimpleNamespace(servers=servers))
        usual = {"connect_timeout_s": 5.0, "request_timeout_s": 20.0, "silence_s": 5.0}
        chosen = ClientOptions(**{**usual, **options})
        return SwarmClient(node, asyncio.get_running_loop(), MODEL, "tiny", 6, chosen)

    async def quiet(self) -> None:
        """When nobody is served any more."""
        async with asyncio.timeout(20):
            while self.tasks:
                await asyncio.wait(list(self.tasks))

    async def pipeline(
        self, *legs: Leg, batch: int = 1, max_length: int = 200, link: bool = True, **options: Any
    ) -> Pipeline:
        """A client's session through these servers, opened as the real client does."""
        hops = []
        chosen = PipelineOptions(**options)
        addresses = [Address(leg.peer, token_hex(16)) for leg in legs]
        names = addresses[1:] if link else []
        async with asyncio.TaskGroup() as group:
            for index, leg in enumerate(legs):
                following = names[index] if index < len(names) else None
                session = addresses[index].session
                opening = Open(VERSION, "session", MODEL, leg.start, leg.end, batch, max_length, session, following)
                node: Any = self
                hops.append(group.create_task(Hop.open(node, leg, opening, 10.0, 60.0)))
        return Pipeline([hop.result() for hop in hops], [Member(leg, leg.peer) for leg in legs], chosen)


@asynccontextmanager
async def swarm_of(spans: Mapping[str, Span]) -> AsyncIterator[Network]:
    """Three servers for every span; afterwards nothing of any session is left on them, nor in this loop.

    The span "a" is served by "a1", "a2" and "a3"; the first one is the fastest.
    """
    network, compute = Network(), ComputeThread(torch.device("cpu"))
    everybody = [
        Served(f"{name}{number}", span, compute, network, token_s=0.01 * number)
        for name, span in spans.items()
        for number in (1, 2, 3)
    ]
    yield network
    await network.quiet()
    for served in everybody:
        served.assert_is_free()
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}
    compute.close()


async def run_step(pipeline: Pipeline, position: int, tensors: Any, keep_from: int = 0, order: int = 0) -> torch.Tensor:
    """A step through a pipeline, by itself."""
    return await pipeline.run(Job(position, tensors, keep_from, order))


async def close(pipeline: Pipeline) -> None:
    """End the streams of a pipeline that belongs to no session."""
    await asyncio.gather(*(hop.aclose() for hop in pipeline.hops))


def _pipe(stream: Stream) -> PipeWriter:
    writer: Any = stream.writer
    assert isinstance(writer, PipeWriter)
    return writer


class _ToldServer(SpanServer):
    """Says when it has computed something."""

    on_tokens: Callable[[], None] = staticmethod(lambda: None)

    def _count_tokens(self, tokens: int) -> None:
        super()._count_tokens(tokens)
        self.on_tokens()


@dataclass(eq=False)
class Served:
    """One server and everything that tests look at."""

    name: str
    span: Span
    compute: ComputeThread
    network: Network
    limits: ServingLimits = field(default_factory=ServingLimits)
    pool: PagePool = field(default_factory=lambda: PagePool(PoolLimits(PAGES)))
    token_s: float = 0.01
    helped: list[Help] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.batcher = Batcher(self.compute)
        self.restart()
        self.network.servers[self.name] = self
        span = self.span
        announcement = Announcement(
            MODEL, "tiny", 6, span.width, span.start, span.end, self.name, "0", "float32", self.token_s
        )
        self.network.announced.append(Server(self.name, announcement))

    async def connect(self, peer: str) -> Stream:
        return await self.network.open(peer, opener=self.name)

    def after(self, tokens: int, do: Callable[[], None]) -> None:
        """Do something once, as soon as this server has computed so many more tokens."""
        wanted = self.server.counts.tokens + tokens

        def look() -> None:
            if self.server.counts.tokens >= wanted:
                self.server.on_tokens = lambda: None
                do()

        self.server.on_tokens = look

    def restart(self, limits: ServingLimits | None = None, pool: PagePool | None = None) -> None:
        """Serve new clients with other limits."""
        self.pool, self.limits = pool or self.pool, limits or self.limits
        hear = self.helped.append
        self.server = _ToldServer(MODEL, self.span, self.batcher, self.pool, self.connect, self.limits, hear)

    def assert_is_free(self) -> None:
        assert self.pool.free_pages == self.pool.total_pages
        assert self.pool.waiting == 0
        assert self.server.counts.sessions == 0
        assert self.server._sessions == {}
        assert self.server._retention.used_bytes == 0


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
        """The next reply but signs of life; a result is its hidden states or its gradient."""
        reply, tensors = await self.hear_with_tensors()
        return next(iter(tensors.values())) if tensors else reply

    async def hear_with_tensors(self) -> tuple[Any, dict[str, torch.Tensor]]:
        async with asyncio.timeout(20):
            while isinstance((heard := await hear(self.stream))[0], Pong):
                continue
        return heard

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
    route: tuple[Address, ...] = (),
    keep_from: int = 0,
    codec: Any = "raw",
    timings: tuple[Timing, ...] = (),
    epoch: int = 0,
    order: int = 0,
    **others: Any,
) -> bytes:
    message = Step(position, (), route, keep_from, codec=codec, timings=timings, epoch=epoch, order=order)
    return flat(message, hidden=hidden, **others)
