"""Steps of a session through a chain of servers. Runs on the event loop.

A step goes to the first server and comes back from the last one; between them the servers hand it on themselves. Where
one of them cannot reach the next, the chain has two segments, and the client carries hidden states from one to the
other. A prompt is cut into pieces that travel one behind the other, so that all servers work on it at once. Each step
names the codec of its way; with `auto` it follows from what the answers before said (`session/codec_choice.py`).

Shapes: B sequences, T new tokens, K <= T wanted ones, D model width.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch

from meadow_client.errors import MeadowError
from meadow_client.session.chain import Member
from meadow_client.session.codec import pack, unpack
from meadow_client.session.codec_choice import CodecChoice, CodecSetting, Passage, body_bytes
from meadow_client.session.hop import Hop, Tensors, lost
from meadow_client.session.tensors import dtype_name, from_wire, to_wire
from meadow_client.wire.messages import Codec, Queued, Result, Step

NEXT_LOST = "next-lost"
FIRST_PIECE_TOKENS = 32
_WINDOW = 8


@dataclass(frozen=True)
class PipelineOptions:
    """`piece_tokens` cuts prompts (0: only where servers ask for it); `request_timeout_s` bounds silence."""

    codec: CodecSetting = "raw"
    piece_tokens: int = 256
    request_timeout_s: float = 180.0


class Pipeline:
    """Open session streams to the servers of every leg, in order."""

    def __init__(
        self,
        hops: Sequence[Hop],
        members: Sequence[Member],
        options: PipelineOptions,
        on_queued: Callable[[Member, Queued], None] = lambda _member, _queued: None,
    ) -> None:
        self._hops = list(hops)
        self._options = options
        self._on_queued = on_queued
        self._failed: MeadowError | None = None
        self._patience: asyncio.Timeout | None = None
        self.members = list(members)
        self._segments = [_Segment(part, options, self) for part in _cut_where_not_linked(self._hops)]
        loop = asyncio.get_running_loop()
        self._listening = [
            loop.create_task(
                hop.hear(
                    segment.receive if hop is segment.last else self._unexpected(hop),
                    self._queued_at(index),
                    self._failed_at(index),
                )
            )
            for index, (segment, hop) in enumerate((s, h) for s in self._segments for h in s.hops)
        ]

    @property
    def max_step_tokens(self) -> int:
        """B x T that one message may have; every server has its own bound."""
        return min(hop.terms.max_step_tokens for hop in self._hops)

    @property
    def trips(self) -> int:
        """How often a step passes through the client: 1 when all servers reach their next."""
        return len(self._segments)

    async def step(self, position: int, tensors: Tensors, keep_from: int = 0) -> torch.Tensor:
        """Take `hidden` [B, T, D] through all layers, continuing every server's cache at `position`.

        Returns [B, K, D]: the outputs at `keep_from` and later.

        Raises:
            ServerLostError, ServerRefusedError: from the server that failed; the chain is of no use after that.
        """
        hidden = tensors["hidden"]
        for segment in self._segments:
            wanted = keep_from if segment is self._segments[-1] else 0
            try:
                async with asyncio.timeout(self._options.request_timeout_s) as self._patience:
                    hidden = await segment.run(position, {**tensors, "hidden": hidden}, wanted)
            except TimeoutError as error:
                why = f"did not answer within {self._options.request_timeout_s:.0f} s"
                raise lost(segment.last.leg, why) from error
            finally:
                self._patience = None
        return hidden

    def compute_s(self) -> float:
        """Seconds that the servers together computed for the latest step, as they say."""
        return sum(segment.compute_s for segment in self._segments)

    def raise_if_failed(self) -> None:
        if self._failed is not None:
            raise self._failed

    def fail(self, error: MeadowError) -> None:
        """Nothing more comes through this chain."""
        if self._failed is None:
            self._failed = error
        for segment in self._segments:
            segment.fail(self._failed)

    def be_patient(self, seconds: float) -> None:
        """There was a sign of life: wait this long for the next one."""
        if self._patience is not None and not self._patience.expired():
            self._patience.reschedule(asyncio.get_running_loop().time() + seconds)

    async def aclose(self) -> None:
        """Close the streams to all servers at once, which ends what they compute for this session."""
        for task in self._listening:
            task.cancel()
        await asyncio.gather(*self._listening, *(hop.aclose() for hop in self._hops), return_exceptions=True)

    def _queued_at(self, index: int) -> Callable[[Queued], None]:
        def queued(message: Queued) -> None:
            self.be_patient(message.patience_s + self._options.request_timeout_s)
            self._on_queued(self.members[index], message)

        return queued

    def _failed_at(self, index: int) -> Callable[[MeadowError], None]:
        def failed(error: MeadowError) -> None:
            if getattr(error, "reason", None) == NEXT_LOST and index + 1 < len(self._hops):
                error = lost(self._hops[index + 1].leg, "cannot be reached by the computer before it")
            self.fail(error)

        return failed

    def _unexpected(self, hop: Hop) -> Callable[[Result, Mapping[str, bytes], float], None]:
        def receive(_result: Result, _data: Mapping[str, bytes], _receive_s: float) -> None:
            self.fail(lost(hop.leg, "sent something that is no answer"))

        return receive


@dataclass
class _Awaited:
    """A step that was sent, and what came back of it so far."""

    batch: int
    position: int
    end: int
    keep_from: int
    dtype: torch.dtype
    device: torch.device
    passage: Passage
    answer: asyncio.Future[torch.Tensor]
    parts: list[torch.Tensor] = field(default_factory=list)


class _Segment:
    """Servers that reach one another, from the one that takes a step to the one that answers."""

    def __init__(self, hops: Sequence[Hop], options: PipelineOptions, pipeline: Pipeline) -> None:
        self.hops = list(hops)
        self.first, self.last = self.hops[0], self.hops[-1]
        self.compute_s = 0.0
        self._route = tuple(hop.leg.peer for hop in self.hops[1:])
        self._most = min(hop.terms.max_step_tokens for hop in self.hops)
        self._options = options
        self._pipeline = pipeline
        self._awaited: deque[_Awaited] = deque()
        self._choice = CodecChoice()

    async def run(self, position: int, tensors: Tensors, keep_from: int) -> torch.Tensor:
        """Send [B, T, D] in pieces and join what comes back to [B, K, D]."""
        hidden = tensors["hidden"]
        batch, tokens, _width = hidden.shape
        self.compute_s = 0.0
        sizes = cut_in_pieces(tokens, self._options.piece_tokens, max(1, self._most // batch))
        if len(sizes) == 1:
            return await (await self._send(position, tensors, keep_from, is_part=False))
        window = asyncio.Semaphore(_WINDOW)
        answers: list[asyncio.Future[torch.Tensor]] = []
        first = 0
        for size in sizes:
            await window.acquire()
            part = slice_step(tensors, first, first + size)
            answer = await self._send(position + first, part, keep_from, is_part=True)
            first += size
            answer.add_done_callback(lambda _answer: window.release())
            answers.append(answer)
        return torch.cat([await answer for answer in answers], dim=1)

    async def _send(
        self, position: int, tensors: Tensors, keep_from: int, *, is_part: bool
    ) -> asyncio.Future[torch.Tensor]:
        self._pipeline.raise_if_failed()
        hidden = tensors["hidden"]
        batch, tokens, _width = hidden.shape
        answer: asyncio.Future[torch.Tensor] = asyncio.get_running_loop().create_future()
        kept = min(tokens, max(0, position + tokens - keep_from))
        codec = self._codec(hidden, kept)
        passage = Passage(batch * tokens, self._link_bytes(hidden, kept, codec))
        self._awaited.append(
            _Awaited(batch, position, position + tokens, keep_from, hidden.dtype, hidden.device, passage, answer)
        )
        headers, bodies = to_wire({**tensors, **pack(hidden, codec)})
        await self.first.send(Step(position, headers, self._route, keep_from, is_part, codec), bodies)
        return answer

    def _codec(self, hidden: torch.Tensor, kept: int) -> Codec:
        if self._options.codec != "auto":
            return self._options.codec
        return self._choice.choose(hidden.shape[0] * hidden.shape[1], self._link_bytes(hidden, kept, "raw"))

    def _link_bytes(self, hidden: torch.Tensor, kept: int, codec: Codec) -> list[int]:
        """What hidden states need on every link; on the last one, back to the client, only those that are wanted."""
        batch, tokens, width = hidden.shape
        dtypes = [dtype_name(hidden.dtype), *(hop.terms.dtype for hop in self.hops)]
        counts = [batch * tokens] * len(self.hops) + [batch * kept]
        return [body_bytes(count, width, dtype, codec) for count, dtype in zip(counts, dtypes, strict=True)]

    def receive(self, result: Result, data: Mapping[str, bytes], receive_s: float) -> None:
        """One result of the last server: of the oldest step that is not answered, or of a part of it."""
        awaited = self._awaited[0] if self._awaited else None
        end = result.position + result.tokens
        shape = result.tensors[0].shape
        if awaited is None or result.position != awaited.position or not awaited.position < end <= awaited.end:
            self._pipeline.fail(lost(self.last.leg, "sent something that is no answer"))
            return
        kept = min(result.tokens, max(0, end - awaited.keep_from))
        if shape[:2] != (awaited.batch, kept):
            self._pipeline.fail(lost(self.last.leg, "sent something that is no answer"))
            return
        received = {header.name: from_wire(header, data[header.name]) for header in result.tensors}
        awaited.parts.append(unpack(received, awaited.dtype, awaited.device))
        awaited.position = end
        awaited.passage.add(result.timings, receive_s)
        self.compute_s += sum(timing.compute_s for timing in result.timings)
        self._pipeline.be_patient(self._options.request_timeout_s)
        if end == awaited.end:
            self._awaited.popleft()
            self._choice.observe(awaited.passage)
            if not awaited.answer.done():
                parts = awaited.parts
                awaited.answer.set_result(parts[0] if len(parts) == 1 else torch.cat(parts, dim=1))

    def fail(self, error: MeadowError) -> None:
        while self._awaited:
            answer = self._awaited.popleft().answer
            if not answer.done():
                answer.set_exception(error)
                answer.exception()  # nobody may be waiting for it any more


def cut_in_pieces(tokens: int, piece_tokens: int, most: int) -> list[int]:
    """How a prompt is cut: small pieces first, so that the last server begins soon, then pieces of `piece_tokens`.

    `most` is what servers take in one message; with `piece_tokens` 0 only they cut.
    """
    largest = min(piece_tokens or most, most)
    sizes: list[int] = []
    size = min(largest, FIRST_PIECE_TOKENS) if piece_tokens else largest
    while (left := tokens - sum(sizes)) > 0:
        sizes.append(min(size, left))
        size = min(2 * size, largest)
    return sizes


def slice_step(tensors: Tensors, first: int, last: int) -> Tensors:
    """Tokens [first, last) of a step's T tokens. The beams' order goes with the first of them."""
    tokens = tensors["hidden"].shape[1]
    part: dict = {}
    for name, tensor in tensors.items():
        if name in ("hidden", "scale", "position_ids"):
            part[name] = tensor[:, first:last]
        elif name == "attention_mask":
            part[name] = tensor[:, : tensor.shape[1] - tokens + last]
        elif first == 0:
            part[name] = tensor
    return part


def _cut_where_not_linked(hops: Sequence[Hop]) -> list[list[Hop]]:
    segments: list[list[Hop]] = [[]]
    for hop in hops:
        segments[-1].append(hop)
        if not hop.is_linked:
            segments.append([])
    return [segment for segment in segments if segment]
