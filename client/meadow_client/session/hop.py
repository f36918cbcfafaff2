"""One server of a chain, at the client's end: an open stream. Runs on the event loop.

A broken stream, a silent server and a broken frame all become ServerLostError; an error code becomes
ServerRefusedError.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Literal

import torch

from meadow_client.errors import BrokenFrameError, MeadowError, ServerLostError, ServerRefusedError
from meadow_client.routing.chains import Leg
from meadow_client.session.tensors import dtype_named, from_wire, to_wire
from meadow_client.swarm.node import PeerUnreachableError, Stream, SwarmNode
from meadow_client.wire import checks, frames
from meadow_client.wire.messages import (
    PROTOCOL,
    Backward,
    Failure,
    Forward,
    Message,
    Open,
    Opened,
    Queued,
    Reply,
    Result,
    Step,
    TensorName,
)

Kind = Literal["session", "stateless"]
Tensors = Mapping[TensorName, torch.Tensor]

log = logging.getLogger(__name__)


class Hop:
    """An open stream to the server of one leg."""

    def __init__(
        self, stream: Stream, leg: Leg, terms: checks.Terms, request_timeout_s: float, is_linked: bool = False
    ) -> None:
        self._stream = stream
        self._request_timeout_s = request_timeout_s
        self.leg = leg
        self.terms = terms
        self.is_linked = is_linked
        """Whether the server has a stream to the next one of the chain."""

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
            raise lost(leg, "cannot be reached") from error
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
            return cls(stream, leg, terms, request_timeout_s, reply.is_linked)
        await stream.aclose()
        raise refused(leg, reply)

    async def send(self, step: Step, bodies: list[frames.Buffer]) -> None:
        """Send one step of a session.

        Raises:
            ServerLostError: the stream is broken.
        """
        try:
            self._stream.writer.writelines(frames.encode(step, bodies))
            await self._stream.writer.drain()
        except OSError as error:
            raise lost(self.leg) from error

    async def hear(
        self,
        on_result: Callable[[Result, Mapping[str, bytes], float], None],
        on_queued: Callable[[Queued], None],
        on_failed: Callable[[MeadowError], None],
    ) -> None:
        """Give every reply of a session to its callback until the server fails or this is cancelled.

        `on_result` gets a result, its tensors' bytes, and the seconds in which these came.
        """

        def check(reply: Reply) -> None:
            checks.check_session_reply(reply, self.terms)

        reader, limit = self._stream.reader, self.terms.max_body_bytes
        arrival = frames.Arrival()
        try:
            while True:
                reply, data = await frames.read(reader, frames.reply_decoder, check, limit, arrival)
                if isinstance(reply, Result):
                    on_result(reply, data, arrival.body_s)
                elif isinstance(reply, Queued):
                    on_queued(reply)
                else:
                    on_failed(refused(self.leg, reply))
                    return
        except (OSError, asyncio.IncompleteReadError):
            on_failed(lost(self.leg))
        except BrokenFrameError as error:
            log.info("A server broke the protocol: %s", error)
            on_failed(lost(self.leg, "sent something that is no answer"))

    async def forward(self, tensors: Tensors) -> torch.Tensor:
        return await self._request(Forward, tensors, "hidden")

    async def backward(self, tensors: Tensors) -> torch.Tensor:
        """The gradient with respect to `hidden`, from `grad` with respect to the output."""
        return await self._request(Backward, tensors, "grad")

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def _request(
        self, kind: type[Forward] | type[Backward], tensors: Tensors, answer: TensorName
    ) -> torch.Tensor:
        """A stateless request and its answer. Not for two at once."""
        wanted = dtype_named(self.terms.dtype)
        hidden = tensors["hidden"]
        cast = {name: t.to(wanted) if t.is_floating_point() else t for name, t in tensors.items()}
        headers, bodies = to_wire(cast)
        message: Message = kind(tensors=headers)

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
            raise lost(self.leg, f"did not answer within {self._request_timeout_s:.0f} s") from error
        except (OSError, asyncio.IncompleteReadError) as error:
            raise lost(self.leg) from error
        except BrokenFrameError as error:
            raise lost(self.leg, "sent something that is no answer") from error
        if not isinstance(reply, Result):
            raise refused(self.leg, reply)
        return from_wire(reply.tensors[0], data[answer]).to(hidden.device, hidden.dtype)


def lost(leg: Leg, why: str = "stopped answering") -> ServerLostError:
    return ServerLostError(leg.peer, leg.start, leg.end, why)


def refused(leg: Leg, reply: Reply) -> ServerRefusedError:
    code = reply.code if isinstance(reply, Failure) else "broken-frame"
    return ServerRefusedError(leg.peer, leg.start, leg.end, code)
