"""One server of a chain, at the client's end: a stream on which requests are answered one by one.

Runs on the event loop. A broken stream, a silent server and a broken frame all become ServerLostError; an error code
becomes ServerRefusedError.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch

from meadow_client.errors import BrokenFrameError, ServerLostError, ServerRefusedError
from meadow_client.routing.chains import Leg
from meadow_client.session.tensors import dtype_named, from_wire, to_wire
from meadow_client.swarm.node import PeerUnreachableError, Stream, SwarmNode
from meadow_client.wire import checks, frames
from meadow_client.wire.messages import (
    PROTOCOL,
    VERSION,
    Backward,
    Failure,
    Forward,
    Message,
    Open,
    Opened,
    Reply,
    Result,
    Step,
    TensorName,
)

Kind = Literal["session", "stateless"]
Tensors = Mapping[TensorName, torch.Tensor]


@dataclass(frozen=True)
class Timing:
    """What a server said of one answer, in seconds: in its queue, and computing."""

    queue_s: float
    compute_s: float


class Hop:
    """An open stream to the server of one leg. Not for two requests at once."""

    def __init__(self, stream: Stream, leg: Leg, terms: checks.Terms, request_timeout_s: float) -> None:
        self._stream = stream
        self._request_timeout_s = request_timeout_s
        self.leg = leg
        self.terms = terms
        self.timing = Timing(0.0, 0.0)

    @classmethod
    async def open(
        cls,
        node: SwarmNode,
        leg: Leg,
        opening: Open,
        connect_timeout_s: float,
        request_timeout_s: float,
    ) -> Hop:
        """Open a stream and agree on its terms.

        Raises:
            ServerLostError: the server cannot be reached within `connect_timeout_s`.
            ServerRefusedError: it does not want to.
        """
        stream: Stream | None = None
        try:
            async with asyncio.timeout(connect_timeout_s):
                stream = await node.open(leg.peer, PROTOCOL)
                stream.writer.writelines(frames.encode(opening))
                reply, _ = await frames.read(stream.reader, frames.reply_decoder, checks.check_opened, 0)
        except (PeerUnreachableError, OSError, asyncio.IncompleteReadError, BrokenFrameError) as error:
            if stream is not None:
                await stream.aclose()
            raise _lost(leg, "cannot be reached") from error
        except BaseException:
            if stream is not None:
                await stream.aclose()
            raise
        if isinstance(reply, Opened):
            terms = checks.Terms(
                opening.kind,
                opening.batch,
                opening.max_length,
                reply.width,
                reply.dtype,
                reply.max_step_tokens,
            )
            return cls(stream, leg, terms, request_timeout_s)
        await stream.aclose()
        raise _refused(leg, reply)

    async def step(self, position: int, tensors: Tensors) -> torch.Tensor:
        """Continue the session at `position` with `hidden` [B, T, D]; the layers' output, [B, T, D]."""
        return await self._request(Step, {"position": position}, tensors, "hidden")

    async def forward(self, tensors: Tensors) -> torch.Tensor:
        return await self._request(Forward, {}, tensors, "hidden")

    async def backward(self, tensors: Tensors) -> torch.Tensor:
        """The gradient with respect to `hidden`, from `grad` with respect to the output."""
        return await self._request(Backward, {}, tensors, "grad")

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def _request(
        self,
        kind: type[Step] | type[Forward] | type[Backward],
        values: dict[str, int],
        tensors: Tensors,
        answer: TensorName,
    ) -> torch.Tensor:
        wanted = dtype_named(self.terms.dtype)
        hidden = tensors["hidden"]
        cast = {name: t.to(wanted) if t.is_floating_point() else t for name, t in tensors.items()}
        headers, bodies = to_wire(cast)
        message: Message = kind(tensors=headers, **values)

        def check(reply: Reply) -> None:
            checks.check_result(reply, answer, tuple(hidden.shape), self.terms)

        try:
            async with asyncio.timeout(self._request_timeout_s):
                self._stream.writer.writelines(frames.encode(message, bodies))
                await self._stream.writer.drain()
                reply, data = await frames.read(
                    self._stream.reader, frames.reply_decoder, check, self.terms.max_body_bytes
                )
        except TimeoutError as error:
            raise _lost(self.leg, f"did not answer within {self._request_timeout_s:.0f} s") from error
        except (OSError, asyncio.IncompleteReadError) as error:
            raise _lost(self.leg, "stopped answering") from error
        except BrokenFrameError as error:
            raise _lost(self.leg, "sent something that is no answer") from error
        if not isinstance(reply, Result):
            raise _refused(self.leg, reply)
        self.timing = Timing(reply.queue_s, reply.compute_s)
        return from_wire(reply.tensors[0], data[answer]).to(hidden.device, hidden.dtype)


def opening_for(kind: Kind, model: str, leg: Leg, batch: int, max_length: int) -> Open:
    return Open(VERSION, kind, model, leg.start, leg.end, batch, max_length)


def _lost(leg: Leg, why: str) -> ServerLostError:
    return ServerLostError(leg.peer, leg.start, leg.end, why)


def _refused(leg: Leg, reply: Reply) -> ServerRefusedError:
    code = reply.code if isinstance(reply, Failure) else "broken-frame"
    return ServerRefusedError(leg.peer, leg.start, leg.end, code)
