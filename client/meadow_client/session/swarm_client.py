"""A model in a swarm, as a client sees it: who holds which layers now, and chains over them.

Its coroutines run on the swarm node's event loop; `wait_for` lets other threads wait for them.
"""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
import time
from collections.abc import Callable, Collection, Coroutine, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any, TypeVar

from meadow_client.errors import (
    LayersMissingError,
    MeadowError,
    ServerLostError,
    ServerRefusedError,
    describe_layers,
)
from meadow_client.routing.chains import Leg, Offer, missing_layers, plan_chain
from meadow_client.session.chain import Chain, Member
from meadow_client.session.codec_choice import CodecSetting
from meadow_client.session.hop import Hop
from meadow_client.session.pipeline import Pipeline, PipelineOptions
from meadow_client.swarm.background import wait_for_other_loop
from meadow_client.swarm.node import SwarmNode
from meadow_client.wire.messages import VERSION, Open, Queued

_T = TypeVar("_T")
_POLL_S = 0.5
_BAN_S = 10.0

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ClientOptions:
    """How a client chooses servers and how patient it is.

    `connect_timeout_s` bounds the wait for missing layers and for servers to answer an opening; `request_timeout_s`
    bounds the wait for one answer; `max_retries` is how many chains are tried before giving up. `codec` is how hidden
    states of sessions travel: `raw`, exactly; `int8`, with a small error; `auto`, as int8 while a link is the
    bottleneck (`session/codec_choice.py`). `piece_tokens` is how many tokens of a prompt travel together (0: all of
    them); `link_servers` lets servers hand steps on to one another.
    """

    connect_timeout_s: float = 30.0
    request_timeout_s: float = 180.0
    max_retries: int = 5
    allowed_servers: Collection[str] | None = None
    blocked_servers: Collection[str] = ()
    codec: CodecSetting = "raw"
    piece_tokens: int = 256
    link_servers: bool = True


@dataclass(frozen=True)
class Waiting:
    """No server holds some layers yet; `patience_s` is how long they will be waited for from now on."""

    model: str
    missing: list[tuple[int, int]]
    patience_s: float

    def __str__(self) -> str:
        return (
            f"No computer in the swarm holds {describe_layers(self.missing)} of {self.model} now;"
            f" waiting up to {self.patience_s:.0f} s for one"
        )


@dataclass(frozen=True)
class Queueing(Waiting):
    """A server has no memory for this session now; it holds a place in its line."""

    computer: str
    place: int

    def __str__(self) -> str:
        return (
            f"{self.computer} is full; this conversation is number {self.place} in its line,"
            f" waiting up to {self.patience_s:.0f} s"
        )


@dataclass
class SwarmClient:
    """One model (by fingerprint) in the swarm that `node` belongs to."""

    node: SwarmNode
    loop: asyncio.AbstractEventLoop
    model: str
    model_name: str
    num_layers: int
    options: ClientOptions = field(default_factory=ClientOptions)
    on_waiting: Callable[[Waiting], None] | None = None
    _banned_until: dict[str, float] = field(default_factory=dict)

    def wait_for(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        """Run one of this object's coroutines from another thread."""
        return wait_for_other_loop(self.loop, coroutine)

    def ban(self, peer: str) -> None:
        """Leave a server that failed out of new chains for a while."""
        self._banned_until[peer] = time.monotonic() + _BAN_S

    async def open_session(
        self,
        start: int,
        end: int,
        batch: int,
        max_length: int,
        on_waiting: Callable[[Waiting], None] | None = None,
    ) -> Pipeline:
        """Find servers for layers [start, end) and open a session of `batch` texts on all of them at the same time.

        Raises:
            LayersMissingError: within `connect_timeout_s` nobody offered some of the layers.
            ServerLostError, ServerRefusedError: every chain that was tried failed.
        """

        def openings(legs: Sequence[Leg]) -> list[Open]:
            # A new one for every attempt: servers of the last one may not have seen its end yet.
            session = secrets.token_hex(16)
            after = [leg.peer for leg in legs[1:]] if self.options.link_servers else []
            return [
                Open(VERSION, "session", self.model, leg.start, leg.end, batch, max_length, session, next_peer)
                for leg, next_peer in zip_longest(legs, after)
            ]

        hops, members = await self._open(start, end, openings, on_waiting)

        def on_queued(member: Member, queued: Queued) -> None:
            tell = on_waiting or self.on_waiting
            waiting = Queueing(self.model_name, [], queued.patience_s, member.name, queued.place)
            log.info("%s", waiting)
            if tell is not None:
                tell(waiting)

        options = PipelineOptions(self.options.codec, self.options.piece_tokens, self.options.request_timeout_s)
        return Pipeline(hops, members, options, on_queued)

    async def open_chain(self, start: int, end: int, batch: int, max_length: int) -> Chain:
        """Find servers for layers [start, end) and open a stateless stream to each of them at the same time.

        Raises: as `open_session`.
        """

        def openings(legs: Sequence[Leg]) -> list[Open]:
            return [Open(VERSION, "stateless", self.model, leg.start, leg.end, batch, max_length) for leg in legs]

        hops, _members = await self._open(start, end, openings, None)
        return Chain(hops)

    async def _open(
        self,
        start: int,
        end: int,
        openings: Callable[[Sequence[Leg]], list[Open]],
        on_waiting: Callable[[Waiting], None] | None,
    ) -> tuple[list[Hop], list[Member]]:
        attempts = max(1, self.options.max_retries)
        began = time.monotonic()
        for attempt in range(attempts):
            legs, names = await self._find_legs(start, end, began, on_waiting or self.on_waiting)
            try:
                hops = await self._open_hops(legs, openings(legs))
            except (ServerLostError, ServerRefusedError) as error:
                self.ban(error.peer)
                log.info("A chain could not be opened: %s", error.code)
                if attempt + 1 == attempts:
                    raise
                continue
            return hops, [Member(leg, names[leg.peer]) for leg in legs]
        raise AssertionError("unreachable")

    async def _find_legs(
        self, start: int, end: int, began: float, on_waiting: Callable[[Waiting], None] | None
    ) -> tuple[list[Leg], dict[str, str]]:
        deadline = began + self.options.connect_timeout_s
        told: list[tuple[int, int]] | None = None
        while True:
            servers = [
                server
                for server in await self.node.directory.servers(self.model)
                if server.announced.num_layers == self.num_layers
            ]
            offers = [
                Offer(server.peer, server.announced.start, server.announced.end, server.announced.token_s)
                for server in servers
            ]
            random.shuffle(offers)
            excluded = self._excluded({offer.peer for offer in offers})
            legs = plan_chain(offers, start, end, excluded)
            if legs is not None:
                return legs, {server.peer: server.announced.name for server in servers}
            missing = missing_layers(offers, start, end, excluded)
            now = time.monotonic()
            if now >= deadline:
                raise LayersMissingError(self.model_name, missing, now - began)
            if missing != told:
                told = missing
                waiting = Waiting(self.model_name, missing, deadline - now)
                log.info("%s", waiting)
                if on_waiting is not None:
                    on_waiting(waiting)
            await asyncio.sleep(min(_POLL_S, max(0.0, deadline - now)))

    def _excluded(self, peers: set[str]) -> set[str]:
        now = time.monotonic()
        banned = {peer for peer in peers if self._banned_until.get(peer, 0.0) > now}
        allowed = self.options.allowed_servers
        not_allowed = set() if allowed is None else peers - set(allowed)
        return banned | not_allowed | set(self.options.blocked_servers)

    async def _open_hops(self, legs: Sequence[Leg], openings: Sequence[Open]) -> list[Hop]:
        options = self.options
        tasks: list[asyncio.Task[Hop]] = []

        async def open_hop(leg: Leg, opening: Open) -> Hop:
            try:
                return await Hop.open(
                    self.node, leg, opening, min(options.connect_timeout_s, 10.0), options.request_timeout_s
                )
            except TimeoutError as error:
                raise ServerLostError(leg.peer, leg.start, leg.end, "cannot be reached") from error

        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(open_hop(*pair)) for pair in zip(legs, openings, strict=True)]
        except BaseException as error:
            for task in tasks:
                if task.done() and not task.cancelled() and task.exception() is None:
                    await task.result().aclose()
            if isinstance(error, BaseExceptionGroup) and error.split(MeadowError)[1] is None:
                raise _first(error) from error
            raise
        return [task.result() for task in tasks]


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
