"""Moves a session from a server that leaves on purpose to a successor, while the session goes on. Event loop only.

First everything that the cache holds is copied from server to server, beside the steps that go on. Then, between two
steps, what has changed since is copied, and the successor takes the place.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from meadow_client.errors import ServerLostError
from meadow_client.session.hop import Hop
from meadow_client.session.job import Job
from meadow_client.session.watch import Watch
from meadow_client.wire.messages import HandOver


@dataclass(eq=False)
class Copy:
    """How much of a cache a successor has: the first `tokens` tokens, as far as nothing was changed since."""

    source: Hop
    target: Hop
    request_timeout_s: float
    silence_s: float
    tokens: int = 0

    async def copy_rest(self, end: int, epoch: int) -> None:
        """Have the source send what the target lacks of tokens [0, end), and wait until it is there.

        Of what a step changes meanwhile, nothing needs to come: it is copied later.

        Raises:
            ServerLostError: one of them is gone, or has no pages to give.
            TimeoutError: the source is about to end.
        """
        if self.tokens >= end:
            return
        refused, filled = self.source.expect_pages(), self.target.expect_pages()
        first = self.tokens
        self.tokens = end  # what is changed from now on is changed after it was read
        watch = Watch([self.source, self.target], self.target, self.request_timeout_s, self.silence_s)
        watch.start()
        try:
            async with asyncio.timeout_at(self.source.leaves_s):
                await self.source.send(HandOver(self.target.address, first, epoch))
                await asyncio.wait([refused, filled], return_when=asyncio.FIRST_COMPLETED)
        finally:
            watch.stop()
        reached = filled.result() if filled.done() and not filled.cancelled() else 0
        if reached < self.tokens:
            leg = self.target.leg
            raise ServerLostError(leg.peer, leg.start, leg.end, "did not get what it was to take over")


@dataclass
class Progress:
    """What becomes of a session's tokens while copies of its caches are made."""

    end: int = 0
    _job: Job | None = None
    _copies: set[Copy] = field(default_factory=set)

    @contextmanager
    def running(self, job: Job) -> Iterator[None]:
        """A job is under way: it changes the caches from its position on, or everywhere if it reorders rows."""
        self._job = job
        for copy in self._copies:
            copy.tokens = min(copy.tokens, _unchanged(job))
        try:
            yield
        except BaseException:
            self.end = min(self.end, _unchanged(job))  # nobody knows how much of it was done
            raise
        finally:
            self._job = None
        self.end = job.position + int(job.tensors["hidden"].shape[1])

    @property
    def unchanged(self) -> int:
        """How many tokens are in all caches now, and stay as they are."""
        return self.end if self._job is None else min(self.end, _unchanged(self._job))

    @contextmanager
    def copying(self, copy: Copy) -> Iterator[None]:
        """While this lasts, the copy hears of changes."""
        self._copies.add(copy)
        try:
            yield
        finally:
            self._copies.discard(copy)


def _unchanged(job: Job) -> int:
    return 0 if "beam_idx" in job.tensors else job.position
