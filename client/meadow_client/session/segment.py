"""Servers of a chain that reach one another: a step goes to the first of them, and the last one answers.

Runs on the event loop. Shapes: B sequences, T new tokens, K <= T wanted ones, D model width.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch

from meadow_client.errors import MeadowError
from meadow_client.session.codec import pack, unpack
from meadow_client.session.codec_choice import CodecChoice, CodecSetting, Passage, body_bytes
from meadow_client.session.hop import Hop, Tensors, lost
from meadow_client.session.job import cut_in_pieces, slice_step
from meadow_client.session.tensors import dtype_name, from_wire, to_wire
from meadow_client.wire.frames import Buffer
from meadow_client.wire.messages import Codec, Resend, Result, Step

_WINDOW = 8
_RESENT_TOKENS = 256

OnPart = Callable[[int, torch.Tensor], None]


def _nobody(_tokens: int, _output: torch.Tensor) -> None:
    """Nothing is wanted but to know that it is done."""


@dataclass
class _Awaited:
    """Tokens [position, end) of a step that were sent; `parts` came back of them so far."""

    batch: int
    position: int
    end: int
    keep_from: int
    dtype: torch.dtype
    device: torch.device
    answer: asyncio.Future[torch.Tensor]
    on_part: OnPart
    passage: Passage
    parts: list[torch.Tensor] = field(default_factory=list)


class Segment:
    """`fail` is told of a server that breaks the rules."""

    def __init__(
        self,
        hops: Sequence[Hop],
        epoch: int,
        codec: CodecSetting,
        piece_tokens: int,
        fail: Callable[[MeadowError], None],
    ) -> None:
        self.hops = list(hops)
        self.first, self.last = self.hops[0], self.hops[-1]
        self.compute_s = 0.0
        self._epoch, self._setting, self._piece_tokens = epoch, codec, piece_tokens
        self._fail = fail
        self._route = tuple(hop.address for hop in self.hops[1:])
        self._most = min(hop.terms.max_step_tokens for hop in self.hops)
        self._awaited: deque[_Awaited] = deque()
        self._choice = CodecChoice()

    async def run(
        self, position: int, tensors: Tensors, keep_from: int, order: int, on_part: OnPart = _nobody
    ) -> torch.Tensor:
        """Send [B, T, D] in pieces and join what comes back to [B, K, D]; `on_part` hears of it as it comes."""
        hidden = tensors["hidden"]
        batch, tokens, _width = hidden.shape
        self.compute_s = 0.0
        sizes = cut_in_pieces(tokens, self._piece_tokens, max(1, self._most // batch))
        if len(sizes) == 1:
            return await (await self._send(position, tensors, keep_from, order, on_part, is_part=False))
        window = asyncio.Semaphore(_WINDOW)
        answers: list[asyncio.Future[torch.Tensor]] = []
        first = 0
        for size in sizes:
            await window.acquire()
            part = slice_step(tensors, first, first + size)
            answer = await self._send(position + first, part, keep_from, order, on_part, is_part=True)
            first += size
            answer.add_done_callback(lambda _answer: window.release())
            answers.append(answer)
        return torch.cat([await answer for answer in answers], dim=1)

    async def refill(self, source: Hop, end: int, batch: int) -> None:
        """Have `source`, the server before these, send them again what it sent for tokens [0, end)."""
        answer = self._await(batch, 0, end, end, torch.empty(0), _nobody, Passage(batch * end, [0, 0]))
        await source.send(Resend(end, self._epoch, (self.first.address, *self._route), _RESENT_TOKENS), [])
        await answer

    def fail(self) -> None:
        """Nothing more will come."""
        while self._awaited:
            self._awaited.popleft().answer.cancel()

    def receive(self, result: Result, data: Mapping[str, Buffer], receive_s: float) -> int:
        """One result of the last server: of the oldest piece that is not answered, or of a part of it.

        Returns for how many tokens, B x T, all servers have computed by that; 0 if it is no answer.
        """
        awaited = self._awaited[0] if self._awaited else None
        end = result.position + result.tokens
        shape = result.tensors[0].shape
        if awaited is None or result.position != awaited.position or not awaited.position < end <= awaited.end:
            self._blame_last()
            return 0
        kept = min(result.tokens, max(0, end - awaited.keep_from))
        if shape[:2] != (awaited.batch, kept):
            self._blame_last()
            return 0
        received = {header.name: from_wire(header, data[header.name]) for header in result.tensors}
        part = unpack(received, awaited.dtype, awaited.device)
        awaited.parts.append(part)
        awaited.position = end
        self.compute_s += sum(timing.compute_s for timing in result.timings)
        awaited.passage.add(result.timings, receive_s)
        awaited.on_part(result.tokens, part)
        if end == awaited.end:
            self._awaited.popleft()
            self._choice.observe(awaited.passage)
            if not awaited.answer.done():
                parts = awaited.parts
                awaited.answer.set_result(parts[0] if len(parts) == 1 else torch.cat(parts, dim=1))
        return awaited.batch * result.tokens

    def _blame_last(self) -> None:
        self.last.failed = lost(self.last.leg, "sent something that is no answer")
        self._fail(self.last.failed)

    async def _send(
        self, position: int, tensors: Tensors, keep_from: int, order: int, on_part: OnPart, *, is_part: bool
    ) -> asyncio.Future[torch.Tensor]:
        hidden = tensors["hidden"]
        batch, tokens, _width = hidden.shape
        kept = min(tokens, max(0, position + tokens - keep_from))
        codec = self._codec(hidden, kept)
        passage = Passage(batch * tokens, self._link_bytes(hidden, kept, codec))
        answer = self._await(batch, position, position + tokens, keep_from, hidden, on_part, passage)
        headers, bodies = to_wire({**tensors, **pack(hidden, codec)})
        step = Step(position, headers, self._route, keep_from, is_part, codec, epoch=self._epoch, order=order)
        await self.first.send(step, bodies)
        return answer

    def _await(
        self,
        batch: int,
        position: int,
        end: int,
        keep_from: int,
        like: torch.Tensor,
        on_part: OnPart,
        passage: Passage,
    ) -> asyncio.Future[torch.Tensor]:
        answer: asyncio.Future[torch.Tensor] = asyncio.get_running_loop().create_future()
        self._awaited.append(
            _Awaited(batch, position, end, keep_from, like.dtype, like.device, answer, on_part, passage)
        )
        return answer

    def _codec(self, hidden: torch.Tensor, kept: int) -> Codec:
        if self._setting != "auto":
            return self._setting
        return self._choice.choose(hidden.shape[0] * hidden.shape[1], self._link_bytes(hidden, kept, "raw"))

    def _link_bytes(self, hidden: torch.Tensor, kept: int, codec: Codec) -> list[int]:
        """What hidden states need on every link; on the last one, back to the client, only those that are wanted."""
        batch, tokens, width = hidden.shape
        dtypes = [dtype_name(hidden.dtype), *(hop.terms.dtype for hop in self.hops)]
        counts = [batch * tokens] * len(self.hops) + [batch * kept]
        return [body_bytes(count, width, dtype, codec) for count, dtype in zip(counts, dtypes, strict=True)]


def cut_where_not_linked(hops: Sequence[Hop]) -> list[list[Hop]]:
    """Consecutive hops that hand steps on to one another."""
    segments: list[list[Hop]] = [[]]
    for hop in hops:
        segments[-1].append(hop)
        if not hop.is_linked:
            segments.append([])
    return [segment for segment in segments if segment]
