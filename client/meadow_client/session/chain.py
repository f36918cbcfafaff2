"""One stateless pass through servers that together hold a range of layers, and its way back.

What entered every leg is kept. When a server fails, on the way there or minutes later on the way back, others take its
layers, and the pass goes on from what entered them. Runs on the event loop. Steps of a session go through
`pipeline.py`.

Shapes: B sequences, T tokens, D model width; hidden states and gradients are [B, T, D].
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import torch

from meadow_client.errors import ServerLostError, ServerRefusedError
from meadow_client.routing.chains import Leg
from meadow_client.session.hop import Hop, Tensors
from meadow_client.wire.messages import TensorName

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Member:
    """Who holds a leg of a chain, for people to see."""

    leg: Leg
    name: str


@dataclass(eq=False)
class _Place:
    """A server of the chain, and what enters its layers, as far as that is known already."""

    hop: Hop
    entered: torch.Tensor | None = None


class Chain:
    """Open stateless streams to the servers of every leg, in order. Each answers to the client.

    `find` opens streams to servers for layers [start, end); `ban` hears of those that failed. After more than
    `max_retries` failures on which no leg was done, the last one is raised.
    """

    def __init__(
        self,
        hops: Sequence[Hop],
        find: Callable[[int, int], Awaitable[Sequence[Hop]]],
        ban: Callable[[str], None],
        max_retries: int,
    ) -> None:
        self._places = [_Place(hop) for hop in hops]
        self._find = find
        self._ban = ban
        self._max_retries = max_retries
        self._failures = 0
        self._is_free = asyncio.Lock()

    async def forward(self, hidden: torch.Tensor, extras: Tensors) -> torch.Tensor:
        """Take `hidden` through all legs without a cache; `extras` are the other tensors that every server needs.

        Raises:
            LayersMissingError: nobody held some layers for as long as the client waits.
            ServerLostError, ServerRefusedError: one server after the other failed.
            UsageError: no server takes so many tokens at once.
        """
        self._failures = 0
        self._places[0].entered = hidden.detach()
        done = 0
        while True:
            output = await self._pass(self._places[done], extras)
            if output is None:
                continue
            self._failures = 0
            done += 1
            if done == len(self._places):
                return output
            self._places[done].entered = output

    async def backward(self, grad: torch.Tensor, extras: Tensors) -> torch.Tensor:
        """The gradient with respect to what entered `forward`, from that of its output; raises as `forward`."""
        async with self._is_free:  # autograd may ask from several threads
            return await self._backward(grad, extras)

    async def aclose(self) -> None:
        """Close the streams to all servers."""
        await asyncio.gather(*(place.hop.aclose() for place in self._places))

    async def _backward(self, grad: torch.Tensor, extras: Tensors) -> torch.Tensor:
        self._failures = 0
        done = 0
        while (left := len(self._places) - done) > 0:
            # Where several servers took one's layers, what enters the later ones is to be learnt first.
            known = max(index for index in range(left) if self._places[index].entered is not None)
            if known < left - 1:
                self._places[known + 1].entered = await self._pass(self._places[known], extras)
            elif (pulled := await self._pass(self._places[known], extras, grad)) is not None:
                self._failures = 0
                grad, done = pulled, done + 1
        return grad

    async def _pass(self, place: _Place, extras: Tensors, grad: torch.Tensor | None = None) -> torch.Tensor | None:
        """One server's answer, forward or, with `grad`, backward; None if others took its place."""
        if place.entered is None:
            raise RuntimeError("what enters these layers is not known yet")
        tensors: dict[TensorName, torch.Tensor] = {**extras, "hidden": place.entered}
        hop = place.hop
        # One that hung up while nothing was asked of it may just have waited for too long: it is tried again.
        is_to_blame = hop.failed is None
        try:
            answer = await (hop.forward(tensors) if grad is None else hop.backward({**tensors, "grad": grad}))
        except (ServerLostError, ServerRefusedError) as error:
            self._failures += 1
            if is_to_blame:
                self._ban(error.peer)
            if self._failures > self._max_retries:
                raise
            log.info("A pass broke off (%s); going on with other computers", error.code)
            await self._replace(place)
            return None
        return answer

    async def _replace(self, place: _Place) -> None:
        began_s = time.monotonic()
        leg = place.hop.leg
        await place.hop.aclose()
        first, *others = await self._find(leg.start, leg.end)
        index = self._places.index(place)
        self._places[index : index + 1] = [_Place(first, place.entered), *(_Place(hop) for hop in others)]
        log.info("Other computers took over within %.2f s", time.monotonic() - began_s)
