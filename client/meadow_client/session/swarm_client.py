"""A model in a swarm, as a client sees it: who holds which layers now, and chains over them.

Its coroutines run on the swarm node's event loop; `wait_for` lets other threads wait for them.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Collection, Coroutine
from dataclasses import dataclass, field
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
from meadow_client.session.hop import Hop, Kind, opening_for
from meadow_client.swarm.background import wait_for_other_loop
from meadow_client.swarm.node import SwarmNode

_T = TypeVar("_T")
_POLL_S = 0.5
_BAN_S = 10.0

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ClientOptions:
    """How a client chooses servers and how patient it is.

    `connect_timeout_s` bounds the wait for missing layers and for servers to answer an opening; `request_timeout_s`
    bounds the wait for one answer; `max_retries` is how many chains are tried before giving up.
    """

    connect_timeout_s: float = 30.0
    request_timeout_s: float = 180.0
    max_retries: int = 5
    allowed_servers: Collection[str] | None = None
    blocked_servers: Collection[str] = ()


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

    async def open_chain(
        self,
        kind: Kind,
        start: int,
        end: int,
        batch: int,
        max_length: int,
        on_waiting: Callable[[Waiting], None] | None = None,
    ) -> Chain:
        """Find servers for layers [start, end) and open a stream to each of them at the same time.

        Raises:
            LayersMissingError: within `connect_timeout_s` nobody offered some of the layers.
            ServerLostError, ServerRefusedError: every chain that was tried failed.
        """
        attempts = max(1, self.options.max_retries)
        began = time.monotonic()
        for attempt in range(attempts):
            legs, names = await self._find_legs(start, end, began, on_waiting or self.on_waiting)
            try:
                hops = await self._open_hops(legs, kind, batch, max_length)
            except (ServerLostError, ServerRefusedError) as error:
                self.ban(error.peer)
                log.info("A chain could not be opened: %s", error.code)
                if attempt + 1 == attempts:
                    raise
                continue
            return Chain(hops, [Member(leg, names[leg.peer]) for leg in legs])
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

    async def _open_hops(self, legs: list[Leg], kind: Kind, batch: int, max_length: int) -> list[Hop]:
        options = self.options
        tasks: list[asyncio.Task[Hop]] = []

        async def open_hop(leg: Leg) -> Hop:
            opening = opening_for(kind, self.model, leg, batch, max_length)
            try:
                return await Hop.open(
                    self.node, leg, opening, min(options.connect_timeout_s, 10.0), options.request_timeout_s
                )
            except TimeoutError as error:
                raise ServerLostError(leg.peer, leg.start, leg.end, "cannot be reached") from error

        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(open_hop(leg)) for leg in legs]
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
