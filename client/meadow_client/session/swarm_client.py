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
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

from meadow_client.errors import (
    LayersMissingError,
    MeadowError,
    ServerLostError,
    ServerRefusedError,
    describe_layers,
)
from meadow_client.routing.bans import Bans
from meadow_client.routing.chains import DEFAULT_TRIP_S, Leg, Offer, missing_layers, plan_chain
from meadow_client.session.chain import Chain, Member
from meadow_client.session.codec_choice import CodecSetting
from meadow_client.session.hop import Hop
from meadow_client.session.pipeline import Pipeline, PipelineOptions
from meadow_client.swarm.background import wait_for_other_loop
from meadow_client.swarm.directory import Server
from meadow_client.swarm.node import NodeDownError, SwarmNode
from meadow_client.wire.messages import VERSION, Address, Open, Queued

_T = TypeVar("_T")
_Failure = MeadowError | OSError
_POLL_S = 0.5
_NODE_POLL_S = 0.1
# What the directory said so lately is tried before it is asked again: that may take long while computers vanish.
_KNOWN_S = 60.0
_REFRESH_S = 15.0
_OPEN_S = 5.0
# When one server of a chain fails, the others have so long to fail as well: all of them are left out of the next one.
_FAIL_TOGETHER_S = 0.2
_FAILURE_COST_S = 1.0

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ClientOptions:
    """How a client chooses servers and how patient it is.

    `connect_timeout_s` bounds the wait for missing layers and for servers to answer an opening; `request_timeout_s`
    bounds the wait for one answer; `max_retries` is how many chains are tried before giving up. `codec` is how hidden
    states of sessions travel: `raw`, exactly; `int8`, with a small error; `auto`, as int8 while a link is the
    bottleneck (`session/codec_choice.py`). `piece_tokens` is how many tokens of a prompt travel together (0: all of
    them); `link_servers` lets servers hand steps on to one another; `retain` asks each server to keep what it sent
    on, so that a lost successor is fed from there; `silence_s` is how long a server may say nothing while it owes an
    answer before it is asked whether it lives.
    """

    connect_timeout_s: float = 30.0
    request_timeout_s: float = 180.0
    max_retries: int = 5
    allowed_servers: Collection[str] | None = None
    blocked_servers: Collection[str] = ()
    codec: CodecSetting = "raw"
    piece_tokens: int = 256
    link_servers: bool = True
    retain: bool = True
    silence_s: float = 1.0


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


@dataclass(frozen=True)
class Computed:
    """A server's layers [start, end) were computed for so many tokens, those of a guess or a repetition included.

    `is_first`: nothing was computed there before in this session.
    """

    peer: str
    start: int
    end: int
    tokens: int
    is_first: bool


@dataclass(frozen=True)
class SessionRange:
    """The layers [start, end) of a session, and how many tokens each of its texts may have."""

    start: int
    end: int
    max_length: int


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
    on_computed: Callable[[Computed], None] = lambda _computed: None
    """Hears, on the event loop, what servers did for sessions: of each result that arrives here."""
    _bans: Bans = field(default_factory=Bans)
    _refreshed_s: float = field(default_factory=time.monotonic)
    _refreshing: Future[None] | None = None

    def wait_for(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        """Run one of this object's coroutines from another thread."""
        return wait_for_other_loop(self.loop, coroutine)

    def keep_fresh(self) -> None:
        """While sessions are used, read the directory from time to time, so that others are known when one is lost.

        Called from any thread.
        """
        now = time.monotonic()
        if now - self._refreshed_s > _REFRESH_S:
            self._refreshed_s = now
            self._refreshing = asyncio.run_coroutine_threadsafe(self._refresh(), self.loop)

    async def _refresh(self) -> None:
        with suppress(MeadowError, OSError):
            await self.node.directory.servers(self.model)

    def ban(self, peer: str) -> None:
        """Leave a server that failed out of new chains for a while."""
        self._bans.failed(peer, time.monotonic())

    async def open_hops(
        self,
        start: int,
        end: int,
        layers: SessionRange,
        batch: int,
        after: Address | None = None,
        on_waiting: Callable[[Waiting], None] | None = None,
        patience_s: float | None = None,
    ) -> list[tuple[Hop, Member]]:
        """Find servers for layers [start, end) of a session and open a stream to each of them at the same time.

        `after` is where the last of them sends steps on; the session has `batch` texts; missing layers are waited for
        up to `patience_s`, by default as the client's options say.

        Raises:
            LayersMissingError: within `connect_timeout_s` nobody offered some of the layers.
            ServerLostError, ServerRefusedError: every chain that was tried failed.
        """
        options = self.options

        def openings(legs: Sequence[Leg]) -> list[Open]:
            # New ids for every attempt: servers of the last one may not have seen its end yet.
            addresses = [Address(leg.peer, secrets.token_hex(16)) for leg in legs]
            following = [*addresses[1:], after] if options.link_servers else [None] * len(legs)
            return [
                Open(
                    VERSION,
                    "session",
                    self.model,
                    leg.start,
                    leg.end,
                    batch,
                    layers.max_length,
                    address.session,
                    following_one,
                    options.retain and leg.end < layers.end,
                )
                for leg, address, following_one in zip(legs, addresses, following, strict=True)
            ]

        hops, members = await self._open(start, end, openings, on_waiting, patience_s)
        return list(zip(hops, members, strict=True))

    def pipeline(
        self,
        hops: Sequence[Hop],
        members: Sequence[Member],
        epoch: int,
        source: Hop | None = None,
        on_waiting: Callable[[Waiting], None] | None = None,
    ) -> Pipeline:
        """A pipeline through these servers; see `Pipeline`."""

        def on_queued(member: Member, queued: Queued) -> None:
            tell = on_waiting or self.on_waiting
            waiting = Queueing(self.model_name, [], queued.patience_s, member.name, queued.place)
            log.info("%s", waiting)
            if tell is not None:
                tell(waiting)

        options = PipelineOptions(
            self.options.codec, self.options.piece_tokens, self.options.request_timeout_s, self.options.silence_s
        )
        return Pipeline(hops, members, options, on_queued, epoch, source, self._tell_computed)

    def _tell_computed(self, hop: Hop, tokens: int) -> None:
        is_first, hop.has_computed = not hop.has_computed, True
        self.on_computed(Computed(hop.leg.peer, hop.leg.start, hop.leg.end, tokens, is_first))

    async def open_chain(self, start: int, end: int, batch: int, max_length: int) -> Chain:
        """Find servers for layers [start, end) and open a stateless stream to each of them at the same time.

        Raises: as `open_hops`.
        """

        def openings(legs: Sequence[Leg]) -> list[Open]:
            return [Open(VERSION, "stateless", self.model, leg.start, leg.end, batch, max_length) for leg in legs]

        async def find(start: int, end: int) -> list[Hop]:
            return (await self._open(start, end, openings, None))[0]

        return Chain(await find(start, end), find, self.ban, self.options.max_retries)

    async def _open(
        self,
        start: int,
        end: int,
        openings: Callable[[Sequence[Leg]], list[Open]],
        on_waiting: Callable[[Waiting], None] | None,
        patience_s: float | None = None,
    ) -> tuple[list[Hop], list[Member]]:
        failures, began = 0, time.monotonic()
        patience_s = self.options.connect_timeout_s if patience_s is None else patience_s
        while True:
            legs, names = await self._find_legs(start, end, began, patience_s, on_waiting or self.on_waiting)
            hops, errors = await self._open_hops(legs, openings(legs))
            if not errors:
                return hops, [Member(leg, names[leg.peer]) for leg in legs]
            for error in errors:
                if isinstance(error, NodeDownError):
                    # Whatever broke off lately did so because of this computer.
                    self._bans.forgive(time.monotonic() - _POLL_S)
                    if time.monotonic() - began > patience_s:
                        raise error
                    await asyncio.sleep(_NODE_POLL_S)
                    break
                if not isinstance(error, (ServerLostError, ServerRefusedError)):
                    raise error
                self.ban(error.peer)
                log.info("A chain could not be opened: %s", error.code)
            else:
                failures += 1
                if failures >= self.options.max_retries:
                    raise errors[0]

    async def _find_legs(
        self, start: int, end: int, began: float, patience_s: float, on_waiting: Callable[[Waiting], None] | None
    ) -> tuple[list[Leg], dict[str, str]]:
        deadline = began + patience_s
        known_s = _KNOWN_S
        told: list[tuple[int, int]] | None = None
        while True:
            servers = [
                server
                for server in await self.node.directory.servers(self.model, known_s)
                if server.announced.num_layers == self.num_layers
            ]
            known_s, is_known = 0.0, known_s > 0
            offers = [self._offer(server) for server in servers]
            random.shuffle(offers)
            peers = {offer.peer for offer in offers}
            excluded = self._excluded(peers)
            legs = plan_chain(offers, start, end, excluded)
            if legs is None:
                excluded = self._excluded(peers, is_needed=True)
                legs = plan_chain(offers, start, end, excluded)
            if legs is not None:
                return legs, {server.peer: server.announced.name for server in servers}
            if is_known:
                continue
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

    def _offer(self, server: Server) -> Offer:
        """What a server announces; one that failed lately costs more."""
        failures = self._bans.recent(server.peer, time.monotonic())
        announced = server.announced
        trip_s = DEFAULT_TRIP_S + failures * _FAILURE_COST_S
        return Offer(server.peer, announced.start, announced.end, announced.token_s, trip_s)

    def _excluded(self, peers: set[str], *, is_needed: bool = False) -> set[str]:
        now = time.monotonic()
        banned = self._bans.banned(peers, now, is_needed=is_needed)
        allowed = self.options.allowed_servers
        not_allowed = set() if allowed is None else peers - set(allowed)
        return banned | not_allowed | set(self.options.blocked_servers)

    async def _open_hops(self, legs: Sequence[Leg], openings: Sequence[Open]) -> tuple[list[Hop], list[_Failure]]:
        """Open all of them, or none: then everything that failed with the first, or nearly so."""

        async def open_hop(leg: Leg, opening: Open) -> Hop | _Failure:
            options = self.options
            patience_s = min(options.connect_timeout_s, _OPEN_S)
            try:
                return await Hop.open(self.node, leg, opening, patience_s, options.request_timeout_s, options.silence_s)
            except TimeoutError:
                return ServerLostError(leg.peer, leg.start, leg.end, "cannot be reached")
            except (MeadowError, OSError) as error:
                return error

        tasks: list[asyncio.Task[Hop | _Failure]] = []
        is_open = False
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(open_hop(*pair)) for pair in zip(legs, openings, strict=True)]
                waiting = set(tasks)
                errors: list[_Failure] = []
                while waiting:
                    patience_s = _FAIL_TOGETHER_S if errors else None
                    done, waiting = await asyncio.wait(waiting, timeout=patience_s, return_when=asyncio.FIRST_COMPLETED)
                    if not done:
                        break
                    errors += [result for task in done if isinstance(result := task.result(), _Failure)]
                for task in waiting:
                    task.cancel()
            is_open = not errors
        finally:
            hops = [
                result
                for task in tasks
                if task.done() and not task.cancelled() and not isinstance(result := task.result(), _Failure)
            ]
            if not is_open:
                for hop in hops:
                    await hop.aclose()
        return hops, errors
