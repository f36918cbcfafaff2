"""Several servers in a row that together hold a range of layers. Runs on the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from meadow_client.routing.chains import Leg
from meadow_client.session.hop import Hop, Tensors


@dataclass(frozen=True)
class Member:
    """Who holds a leg of a chain, for people to see."""

    leg: Leg
    name: str


class Chain:
    """Open streams to the servers of every leg, in order."""

    def __init__(self, hops: Sequence[Hop], members: Sequence[Member]) -> None:
        self._hops = list(hops)
        self.members = list(members)

    @property
    def max_step_tokens(self) -> int:
        """B x T that one step may have; every server has its own bound."""
        return min(hop.terms.max_step_tokens for hop in self._hops)

    async def step(self, position: int, tensors: Tensors) -> torch.Tensor:
        """Take `hidden` [B, T, D] through all layers, continuing every server's cache at `position`.

        Raises:
            ServerLostError, ServerRefusedError: from the server that failed; the chain is of no use after that.
        """
        hidden = tensors["hidden"]
        for hop in self._hops:
            hidden = await hop.step(position, {**tensors, "hidden": hidden})
        return hidden

    async def forward(self, tensors: Tensors) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Without a cache: the output [B, T, D], and what entered each leg (for `backward`)."""
        hidden, entered = tensors["hidden"], []
        for hop in self._hops:
            entered.append(hidden)
            hidden = await hop.forward({**tensors, "hidden": hidden})
        return hidden, entered

    async def backward(self, grad: torch.Tensor, entered: Sequence[torch.Tensor], tensors: Tensors) -> torch.Tensor:
        """The gradient with respect to the first leg's input, from that of the last leg's output."""
        for hop, hidden in zip(reversed(self._hops), reversed(entered), strict=True):
            grad = await hop.backward({**tensors, "hidden": hidden, "grad": grad})
        return grad

    def compute_s(self) -> float:
        """Seconds that the servers together computed for the latest step, as they say."""
        return sum(hop.timing.compute_s for hop in self._hops)

    async def aclose(self) -> None:
        await asyncio.gather(*(hop.aclose() for hop in self._hops))
