"""Steps of a session through a chain of servers. Runs on the event loop.

A step goes to the first server and comes back from the last one; between them the servers hand it on themselves. Where
one of them cannot reach the next, the chain has two segments, and the client carries hidden states from one to the
other. A prompt is cut into pieces that travel one behind the other, so that all servers work on it at once.

A server is lost when its stream ends, when it says that it cannot go on, or when it does not answer a ping. One that
computes for long, or is in the middle of a long message, still answers.

Shapes: B sequences, T new tokens, K <= T wanted ones, D model width.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from meadow_client.errors import MeadowError
from meadow_client.session.chain import Member
from meadow_client.session.codec_choice import CodecSetting
from meadow_client.session.hop import Hop, lost
from meadow_client.session.job import Job
from meadow_client.session.segment import Segment, cut_where_not_linked
from meadow_client.session.watch import Watch
from meadow_client.wire.frames import Buffer
from meadow_client.wire.messages import CANNOT_GO_BACK, NEXT_LOST, NOT_RETAINED, Notice, Queued, Result


class LinkLostError(MeadowError):
    """A server cannot reach the one behind it any more; both may be well."""

    code = NEXT_LOST

    def __init__(self) -> None:
        super().__init__("Two computers of the chain do not reach one another any more")


class CannotGoBackError(MeadowError):
    """A server's caches cannot be rolled back to where a step begins; they have to be filled anew."""

    code = CANNOT_GO_BACK

    def __init__(self) -> None:
        super().__init__("The caches of these layers cannot be rolled back")


class NotRetainedError(MeadowError):
    """A server does not have any more what it once sent."""

    code = NOT_RETAINED

    def __init__(self) -> None:
        super().__init__("What was sent before is not kept by the computer that sent it")


@dataclass(frozen=True)
class PipelineOptions:
    """`piece_tokens` cuts prompts (0: only where servers ask for it).

    `request_timeout_s` bounds the wait for the answer of a server that is alive, `silence_s` that for a sign of life.
    """

    codec: CodecSetting = "raw"
    piece_tokens: int = 256
    request_timeout_s: float = 180.0
    silence_s: float = 1.0


class Pipeline:
    """Open session streams to the servers of every leg, in order.

    `epoch` tells its steps from those of pipelines that a session had before. `source` is a server before these that
    is to send them again what it sent to others (`refill`).
    """

    def __init__(
        self,
        hops: Sequence[Hop],
        members: Sequence[Member],
        options: PipelineOptions,
        on_queued: Callable[[Member, Queued], None] = lambda _member, _queued: None,
        epoch: int = 0,
        source: Hop | None = None,
        on_computed: Callable[[Hop, int], None] = lambda _hop, _tokens: None,
    ) -> None:
        """`on_computed` hears of every result: a server, and for how many tokens it has computed."""
        self.hops, self.members = list(hops), list(members)
        self.failed: MeadowError | None = None
        self._source = source
        self._options = options
        self._on_queued = on_queued
        self._on_computed = on_computed
        self._epoch = epoch
        self._segments = [
            Segment(part, epoch, options.codec, options.piece_tokens, self.fail)
            for part in cut_where_not_linked(self.hops)
        ]
        self._watch = Watch(self._everybody, self._segments[-1].last, options.request_timeout_s, options.silence_s)
        self._task: asyncio.Task[object] | None = None
        self.listen()

    @property
    def max_step_tokens(self) -> int:
        """B x T that one message may have; every server has its own bound."""
        return min(hop.terms.max_step_tokens for hop in self.hops)

    @property
    def trips(self) -> int:
        """How often a step passes through the client: 1 when all servers reach their next."""
        return len(self._segments)

    async def run(self, job: Job) -> torch.Tensor:
        """Take what is left of a job through all layers; returns all of its output, [B, K, D].

        Raises:
            ServerLostError, ServerRefusedError, LinkLostError: the pipeline is of no use after that, but `job` knows
                what was answered before.
        """
        tensors, position = job.rest(), job.next_position
        *others, last = self._segments
        hidden = tensors["hidden"]
        with self._watching():
            for segment in others:
                hidden = await segment.run(position, {**tensors, "hidden": hidden}, 0, job.order)
            await last.run(position, {**tensors, "hidden": hidden}, job.keep_from, job.order, job.answered)
        return job.output()

    async def refill(self, end: int, batch: int) -> None:
        """Let `source` fill the caches of these servers with tokens [0, end) of `batch` texts.

        Raises:
            NotRetainedError: it has not kept them, or these servers do not reach one another.
            ServerLostError, ServerRefusedError, LinkLostError: as `run`.
        """
        if self._source is None or len(self._segments) != 1:
            raise NotRetainedError
        with self._watching():
            await self._segments[0].refill(self._source, end, batch)

    def compute_s(self) -> float:
        """Seconds that the servers together computed for the latest step, as they say."""
        return sum(segment.compute_s for segment in self._segments)

    def fail(self, error: MeadowError) -> None:
        """Nothing more comes through this pipeline."""
        if self.failed is not None:
            return
        self.failed = error
        for segment in self._segments:
            segment.fail()
        if self._task is not None:
            self._task.cancel()

    def listen(self) -> None:
        """Hear the servers, instead of whoever heard them before."""
        for hop in self._everybody:
            hop.listen(self)

    def on_result(self, hop: Hop, result: Result, data: Mapping[str, Buffer], receive_s: float) -> None:
        if result.epoch != self._epoch or self.failed is not None:
            return  # of a step that was sent before a server was lost
        self._watch.be_patient()
        for segment in self._segments:
            if segment.last is hop:
                if tokens := segment.receive(result, data, receive_s):
                    for server in segment.hops:
                        self._on_computed(server, tokens)
                return
        self._blame(hop, "sent something that is no answer")

    def on_queued(self, hop: Hop, queued: Queued) -> None:
        self._watch.be_patient(queued.patience_s)
        if hop in self.hops:
            self._on_queued(self.members[self.hops.index(hop)], queued)

    def on_notice(self, hop: Hop, notice: Notice) -> None:
        if notice.epoch != self._epoch or self.failed is not None:
            return
        is_source = hop is self._source
        if notice.code == NEXT_LOST and (is_source or all(segment.last is not hop for segment in self._segments)):
            hop.is_linked = False
            self.fail(LinkLostError())
        elif notice.code == NOT_RETAINED and is_source:
            self.fail(NotRetainedError())
        elif notice.code == CANNOT_GO_BACK and not is_source:
            self.fail(CannotGoBackError())
        else:
            self._blame(hop, "sent something that is no answer")

    def on_failed(self, _hop: Hop, error: MeadowError) -> None:
        self.fail(error)

    def _blame(self, hop: Hop, why: str) -> None:
        """A server is of no use any more: not to this pipeline, and not to the ones after it."""
        hop.failed = lost(hop.leg, why)
        self.fail(hop.failed)

    @property
    def _everybody(self) -> list[Hop]:
        return self.hops if self._source is None else [self._source, *self.hops]

    @contextmanager
    def _watching(self) -> Iterator[None]:
        """While a step is under way, look after the servers from time to time; a failed one breaks the step off."""
        if self.failed is not None:
            raise self.failed
        self._task = task = asyncio.current_task()
        self._watch.start()
        try:
            yield
        except asyncio.CancelledError:
            if (failed := self._why_cancelled(task)) is None:
                raise
            raise failed from None
        finally:
            self._task = None
            self._watch.stop()

    def _why_cancelled(self, task: asyncio.Task[object] | None) -> MeadowError | None:
        """What broke the step off, if it was not somebody else who cancelled it."""
        if self.failed is None or (task is not None and task.uncancel() > 0):
            return None
        return self.failed
