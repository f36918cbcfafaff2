"""Keeps a session's chain of servers whole: opens it, notices what is lost, and puts other servers in its place.

What a server knows of a session follows from what entered its layers, so nothing is lost with it for good:

- the servers that are left keep their caches;
- others take the layers of those that are gone, and the server before sends them again what it once sent (it retains
  that);
- where it has not kept that, or where the first server is gone, the client begins again from the session's history.

Then the step that was under way goes on where the last answer came. Links between servers that all live are mended
beside the steps (`session/relinking.py`). `run` belongs to the session's thread, everything else to the event loop.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Protocol, TypeVar

import torch

from meadow_client.errors import (
    LayersMissingError,
    MeadowError,
    ServerLostError,
    ServerRefusedError,
    SessionClosedError,
)
from meadow_client.session.chain import Member
from meadow_client.session.history import History
from meadow_client.session.hop import Hop, probe
from meadow_client.session.job import Job
from meadow_client.session.pipeline import CannotGoBackError, LinkLostError, NotRetainedError, Pipeline
from meadow_client.session.relinking import Relinking
from meadow_client.session.succession import Copy, Progress
from meadow_client.session.swarm_client import SessionRange, SwarmClient, Waiting
from meadow_client.wire.messages import Reach, Release

_REPLAY_TOKENS = 2048
_T = TypeVar("_T")

Embed = Callable[[int, dict[str, torch.Tensor]], torch.Tensor]
"""What enters the layers, [B, T, D], for token ids [B, T] that stand at a position."""

log = logging.getLogger(__name__)


class WaitFor(Protocol):
    """Runs a coroutine on the event loop, and waits for it in another thread."""

    def __call__(self, coroutine: Coroutine[Any, Any, _T], /) -> _T: ...


@dataclass(frozen=True)
class Recovery:
    """Which servers were lost, which took over, and how many seconds that took.

    `is_from_history` if the client had to send something again itself, `is_planned` if a server left on purpose and
    handed over what it had.
    """

    lost: tuple[Member, ...]
    instead: tuple[Member, ...]
    seconds: float
    is_from_history: bool = False
    is_planned: bool = False


@dataclass(eq=False)
class _Place:
    """A server of the chain. Until `is_filled`, its cache lacks what the session had before."""

    hop: Hop
    member: Member
    is_filled: bool


class Upkeep:
    """The servers of one session."""

    def __init__(
        self, client: SwarmClient, layers: SessionRange, on_waiting: Callable[[Waiting], None] | None = None
    ) -> None:
        self._client = client
        self._layers = layers
        self._on_waiting = on_waiting
        self._epoch = 0
        self._places: list[_Place] = []
        self._batch = 1
        self._lock = asyncio.Lock()
        self._progress = Progress()
        self._successions: dict[Hop, asyncio.Task[None]] = {}
        self._relinking = Relinking(self._take_links)
        self._is_restoring = False
        self._lost: list[Member] = []
        self._new: list[_Place] = []
        """Since the chain was whole for the last time: servers that were lost, and those in their places."""
        self.pipeline: Pipeline | None = None
        self.history = History()
        self.embed: Embed | None = None
        self.recoveries: list[Recovery] = []

    def run(self, job: Job, wait_for: WaitFor) -> torch.Tensor:
        """Take a job through all layers, whatever becomes of servers on the way; [B, K, D].

        Raises:
            LayersMissingError: nobody held some layers for as long as the client waits.
            ServerLostError, ServerRefusedError: one server after the other failed, and nothing moved on meanwhile.
        """
        failures, done = 0, job.done
        self._client.keep_fresh()
        while True:
            try:
                if self.pipeline is None or self.pipeline.failed is not None:
                    self._restore(job, wait_for)
                return wait_for(self._run(job))
            except (ServerLostError, ServerRefusedError, LinkLostError, CannotGoBackError) as error:
                if job.is_answered:  # whoever failed had done its work; the next step finds others
                    wait_for(self._break(error))
                    return job.output()
                failures, done = (1 if job.done > done else failures + 1), job.done
                log.info("A step broke off (%s); going on with other computers", error.code)
                if isinstance(error, ServerLostError | ServerRefusedError):
                    self._client.ban(error.peer)
                if failures > self._client.options.max_retries:
                    raise
                wait_for(self._break(error))

    @property
    def is_open(self) -> bool:
        """Whether servers hold something for this session."""
        return bool(self._places)

    async def aclose(self) -> None:
        """End the session on all servers."""
        await self._stop_changing()
        self.pipeline = None
        places, self._places = self._places, []
        await asyncio.gather(*(place.hop.aclose() for place in places), return_exceptions=True)

    async def _break(self, error: MeadowError) -> None:
        if self.pipeline is not None:
            self.pipeline.fail(error)
        if isinstance(error, CannotGoBackError):  # others may be further than they should be, too
            for place in self._places:
                place.is_filled = False

    async def _run(self, job: Job) -> torch.Tensor:
        async with self._lock:
            if self.pipeline is None:
                raise SessionClosedError("This session is closed")
            if self._client.options.link_servers and not self._is_changing:
                self._relinking.look(self.pipeline)
            with self._progress.running(job):
                return await self.pipeline.run(job)

    def _restore(self, job: Job, wait_for: WaitFor) -> None:
        """Make the chain whole, and its caches hold the session up to the job's first token that was not answered."""
        began_s, until = time.monotonic(), job.next_position
        wait_for(self._stop_changing())
        pipeline = wait_for(self._mend(job.batch))
        is_from_history = False
        if until > 0:
            for gap in self._gaps():
                source = self._before(gap[0])
                is_refilled = source is not None and self._refill(gap, source, until, job.batch, wait_for)
                if is_refilled:
                    continue
                is_from_history = True
                if source is None:
                    self._replay(wait_for(self._part(gap)), until, wait_for)
                else:
                    for place in self._places:  # those that are left begin again, too
                        place.is_filled = False
                    self._replay(wait_for(self._part(self._places)), until, wait_for)
                    break
        for place in self._places:
            place.is_filled = True
        wait_for(self._listen(pipeline))
        instead = tuple(place.member for place in self._places if place in self._new)
        if self._lost or (until > 0 and instead):
            seconds = time.monotonic() - began_s
            self.recoveries.append(Recovery(tuple(self._lost), instead, seconds, is_from_history))
            log.info("Other computers took over within %.2f s", seconds)
        self._lost, self._new = [], []

    async def _mend(self, batch: int) -> Pipeline:
        """Find out who is left, and open streams to others for the layers that nobody holds now."""
        self._epoch += 1
        self._batch = batch
        alive = [place for place in self._places if place.hop.failed is None]
        if self.pipeline is not None:
            await probe([place.hop for place in alive], self._client.options.silence_s)
        for place in alive:
            if place.hop.failed is not None:
                self._client.ban(place.hop.leg.peer)
        gone = [place for place in self._places if place.hop.failed is not None]
        for place in gone:
            if isinstance(place.hop.failed, ServerRefusedError):  # it said so itself, whoever was heard first
                self._client.ban(place.hop.leg.peer)
        self._places = [place for place in self._places if place.hop.failed is None]
        self._lost += [place.member for place in gone]
        await asyncio.gather(*(place.hop.aclose() for place in gone), return_exceptions=True)
        for start, end in list(self._missing()):
            after = next((place.hop for place in self._places if place.hop.leg.start == end), None)
            opened = await self._client.open_hops(
                start, end, self._layers, batch, after.address if after is not None else None, self._on_waiting
            )
            new = [_Place(hop, member, is_filled=False) for hop, member in opened]
            for place in new:
                place.hop.on_leaving = self._on_leaving
            self._new += new
            self._places = sorted([*self._places, *new], key=lambda place: place.hop.leg.start)
            if (before := self._before(new[0])) is not None:
                # It may reach the new one, whatever it was with the old one; if not, it says so.
                before.is_linked = self._client.options.link_servers
        self.pipeline = await self._part(self._places)
        return self.pipeline

    def _missing(self) -> Iterable[tuple[int, int]]:
        boundary = self._layers.start
        for place in self._places:
            if place.hop.leg.start > boundary:
                yield boundary, place.hop.leg.start
            boundary = place.hop.leg.end
        if boundary < self._layers.end:
            yield boundary, self._layers.end

    def _gaps(self) -> list[list[_Place]]:
        """Neighbours whose caches are empty, in order."""
        runs = groupby(self._places, key=lambda place: place.is_filled)
        return [list(places) for is_filled, places in runs if not is_filled]

    def _before(self, place: _Place) -> Hop | None:
        index = self._places.index(place)
        return self._places[index - 1].hop if index else None

    async def _part(self, places: list[_Place], source: Hop | None = None) -> Pipeline:
        return self._client.pipeline(
            [place.hop for place in places],
            [place.member for place in places],
            self._epoch,
            source,
            self._on_waiting,
        )

    async def _listen(self, pipeline: Pipeline) -> None:
        pipeline.listen()
        self._is_restoring = False
        for place in self._places:
            if place.hop.leaves_s is not None:
                self._on_leaving(place.hop)

    def _on_leaving(self, hop: Hop) -> None:
        """A server said that it will end."""
        is_in_place = any(place.hop is hop for place in self._places)  # a successor may leave before it is
        if is_in_place and not self._is_restoring and hop not in self._successions:
            self._successions[hop] = asyncio.get_running_loop().create_task(self._replace(hop))

    @property
    def _is_changing(self) -> bool:
        """Whether servers are being replaced, or just about to be."""
        return self._is_restoring or not all(task.done() for task in self._successions.values())

    async def _take_links(self, pipeline: Pipeline, hops: Sequence[Hop]) -> None:
        """These servers reach the next ones again: from the next step on, they hand steps on by themselves."""
        async with self._lock:
            if self.pipeline is not pipeline or pipeline.failed is not None or self._is_changing:
                return  # what they said may not be true any more
            for hop in hops:
                hop.is_linked = True
            self._epoch += 1
            self.pipeline = await self._part(self._places)
        log.info("Computers reach one another again; steps go straight on")

    async def _stop_changing(self) -> None:
        self._is_restoring = True
        await self._relinking.stop()
        tasks = list(self._successions.values())
        self._successions.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _replace(self, hop: Hop) -> None:
        """Find a successor for a server that leaves, copy its cache there, and put it in its place."""
        place = next((place for place in self._places if place.hop is hop), None)
        if place is None:
            return
        self._client.ban(hop.leg.peer)  # no failure, but nobody to choose now
        await self._relinking.stop()
        try:
            successor = await self._open_successor(place)
            try:
                seconds = await self._hand_over(place, successor)
            except BaseException:
                await successor.hop.aclose()
                raise
        except (MeadowError, TimeoutError) as error:
            log.info("Nobody takes over from a computer that leaves: %s", error)
            with suppress(ServerLostError):
                await hop.send(Release())
            return
        self.recoveries.append(Recovery((place.member,), (successor.member,), seconds, is_planned=True))
        log.info("%s took over from a computer that leaves", successor.member.name)
        await hop.aclose()

    async def _open_successor(self, place: _Place) -> _Place:
        leg = place.hop.leg
        after = next((other.hop.address for other in self._places if other.hop.leg.start == leg.end), None)
        opened = await self._client.open_hops(
            leg.start, leg.end, self._layers, self._batch, after, lambda _waiting: None, patience_s=0.0
        )
        if len(opened) != 1:
            await asyncio.gather(*(hop.aclose() for hop, _member in opened))
            raise LayersMissingError(self._client.model_name, [(leg.start, leg.end)])
        hop, member = opened[0]
        hop.on_leaving = self._on_leaving
        return _Place(hop, member, is_filled=True)

    async def _hand_over(self, place: _Place, successor: _Place) -> float:
        """Copy while steps go on, then between two steps what has changed meanwhile; for how long these had to wait."""
        options = self._client.options
        copy = Copy(place.hop, successor.hop, options.request_timeout_s, options.silence_s)
        with self._progress.copying(copy):
            await copy.copy_rest(self._progress.unchanged, self._epoch)
            before = self._before(place)
            if before is not None and before.is_linked:
                with suppress(ServerLostError):  # that is noticed where it matters
                    await before.send(Reach(successor.hop.address))
            async with self._lock:
                began_s = time.monotonic()
                await copy.copy_rest(self._progress.end, self._epoch)
                if self.pipeline is None or self.pipeline.failed is not None:
                    leg = place.hop.leg
                    raise ServerLostError(leg.peer, leg.start, leg.end, "was lost before it had handed over")
                self._epoch += 1
                self._places[self._places.index(place)] = successor
                self.pipeline = await self._part(self._places)
                if successor.hop.leaves_s is not None:
                    self._on_leaving(successor.hop)
                return time.monotonic() - began_s

    def _refill(self, gap: list[_Place], source: Hop, until: int, batch: int, wait_for: WaitFor) -> bool:
        """Let the server before a gap fill it; whether it could."""
        if not source.is_linked:
            return False
        part = wait_for(self._part(gap, source))
        try:
            wait_for(part.refill(until, batch))
        except NotRetainedError:
            return False
        return True

    def _replay(self, pipeline: Pipeline, until: int, wait_for: WaitFor) -> None:
        """Send tokens [0, until) again, in order that caches hold them; no output is wanted."""
        for position, piece in self.history.pieces(until, _REPLAY_TOKENS):
            hidden = piece["hidden"] if "hidden" in piece else self._embedded(position, piece)
            extras = {name: tensor for name, tensor in piece.items() if name not in ("ids", "hidden")}
            tensors: dict[Any, torch.Tensor] = {**extras, "hidden": hidden}
            wait_for(pipeline.run(Job(position, tensors, keep_from=until, order=self.history.order)))

    def _embedded(self, position: int, piece: dict[str, torch.Tensor]) -> torch.Tensor:
        if self.embed is None:
            raise RuntimeError("a history of token ids needs a model that embeds them")
        return self.embed(position, piece)
