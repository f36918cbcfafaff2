"""Pipelines whose servers are the far ends of streams, for which a test speaks.

Afterwards all streams are closed, and nothing is left in the loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import torch

from fakes.streams import flat, hear, stream_pair
from meadow_client.errors import MeadowError
from meadow_client.routing.chains import Leg
from meadow_client.session.chain import Member
from meadow_client.session.hop import Hop
from meadow_client.session.job import Job
from meadow_client.session.pipeline import Pipeline, PipelineOptions
from meadow_client.swarm.node import Stream
from meadow_client.wire import frames
from meadow_client.wire.checks import Terms
from meadow_client.wire.messages import Address, Ping, Pong, Queued, Result, Step, Timing

WIDTH = 4
NAMES = ["first", "second", "third", "fourth"]


def session_of(name: str) -> str:
    """The id that the session has on a server."""
    return f"{NAMES.index(name):032x}"


def route(*names: str) -> tuple[Address, ...]:
    return tuple(Address(name, session_of(name)) for name in names)


@dataclass
class Servers:
    """The far ends of a pipeline's streams, and what its listener was told."""

    pipeline: Pipeline
    ends: list[Stream]
    told: list[tuple[Member, Queued]]

    async def step(self, position: int, tensors: Any, keep_from: int = 0) -> torch.Tensor:
        return await self.pipeline.run(Job(position, tensors, keep_from))

    def raise_if_failed(self) -> None:
        if self.pipeline.failed is not None:
            raise self.pipeline.failed

    async def aclose(self) -> None:
        await asyncio.gather(*(hop.aclose() for hop in self.pipeline.hops))

    async def take(self, index: int = 0) -> tuple[Step, dict[str, torch.Tensor]]:
        """The next step that a server is given; it answers pings."""
        while isinstance((step := await hear(self.ends[index], frames.request_decoder))[0], Ping):
            self.say(index, flat(Pong()))
        assert isinstance(step[0], Step)
        return step

    def say(self, index: int, data: bytes) -> None:
        self.ends[index].writer.write(data)

    def answer(
        self, index: int, position: int, hidden: torch.Tensor, tokens: int | None = None, epoch: int = 0
    ) -> None:
        """A result for `tokens` tokens of which `hidden` are wanted."""
        done = hidden.shape[1] if tokens is None else tokens
        self.say(index, flat(Result((), (Timing(0.5, 0.25),), position, done, epoch), hidden=hidden))

    async def stay_alive(self, who: Sequence[int] = (0, 1)) -> None:
        """Let these servers answer pings, and nothing else, for ever."""

        async def answer_pings(index: int) -> None:
            while True:
                message, _ = await hear(self.ends[index], frames.request_decoder)
                if isinstance(message, Ping):
                    self.say(index, flat(Pong()))

        await asyncio.gather(*(answer_pings(index) for index in who))


@asynccontextmanager
async def servers(
    count: int = 2,
    options: PipelineOptions | None = None,
    linked: list[bool] | None = None,
    max_step_tokens: list[int] | None = None,
) -> AsyncIterator[Servers]:
    """A pipeline through so many servers; afterwards nothing of it is left."""
    pairs = [stream_pair(there=NAMES[index]) for index in range(count)]
    reached = linked or [True] * (count - 1) + [False]
    most = max_step_tokens or [64] * count
    legs = [Leg(NAMES[index], index, index + 1) for index in range(count)]
    hops = [
        Hop(near, leg, Terms("session", 8, 1000, WIDTH, "float32", bound), 60.0, is_linked, session_of(leg.peer))
        for (near, _far), leg, bound, is_linked in zip(pairs, legs, most, reached, strict=True)
    ]
    told: list[tuple[Member, Queued]] = []
    members = [Member(leg, f"{leg.peer}'s") for leg in legs]
    before = asyncio.all_tasks()
    for hop in hops:
        hop._start_hearing()
    pipeline = Pipeline(hops, members, options or PipelineOptions(), lambda *heard: told.append(heard))
    swarm = Servers(pipeline, [far for _near, far in pairs], told)
    try:
        yield swarm
    finally:
        await swarm.aclose()
        assert all(near.writer.is_closed for near, _far in pairs)  # type: ignore[attr-defined]
        await asyncio.sleep(0)
        assert asyncio.all_tasks() <= before


def hidden(batch: int = 1, tokens: int = 1) -> torch.Tensor:
    return torch.randn(batch, tokens, WIDTH)


@asynccontextmanager
async def stepping(coroutine: Coroutine[Any, Any, Any]) -> AsyncIterator[asyncio.Task[Any]]:
    """A step under way; it has ended, well or not, when the block ends."""
    task = asyncio.ensure_future(coroutine)  # noqa: TID251 - ends with the block
    try:
        yield task
        await asyncio.wait([task])
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError, MeadowError):
            await task


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)
