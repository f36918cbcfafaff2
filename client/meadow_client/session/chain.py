"""Several servers in a row that together hold a range of layers: stateless passes. Runs on the event loop.

Steps of a session go through `pipeline.py`.
"""

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
    """Open stateless streams to the servers of every leg, in order. Each answers to the client, which needs what
    entered every leg for the way back."""

    def __init__(self, hops: Sequence[Hop]) -> None:
        self._hops = list(hops)

    async def forward(self, tensors: Tensors) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Without a cache: the output [B, T, D], and what entered each leg (for `backward`).

        Raises:
            ServerLostError, ServerRefusedError: from the server that failed; the chain is of no use after that.
        """
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

    async def aclose(self) -> None:
        await asyncio.gather(*(hop.aclose() for hop in self._hops))
