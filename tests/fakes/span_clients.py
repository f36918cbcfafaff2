"""Clients of one span server with layers 1 to 5, which say what they have to say at once and hear the answers."""

from __future__ import annotations

from typing import Any

import torch

from fakes.models import HIDDEN
from fakes.span_servers import Served, client_of, opening, step
from meadow_client.wire.messages import Opened

FIRST, LAST = 1, 5
ID = "0123456789abcdef" * 2
OPENED = Opened(HIDDEN, "float32", 8192)


async def converse(served: Served, *said: bytes, replies: int | None = None) -> list[Any]:
    """What a client hears that says all this at once and hangs up when it has heard enough or was refused."""
    async with client_of(served.network, served.name) as client:
        client.say(*said)
        heard = await client.hear_all(len(said) if replies is None else replies)
    await served.network.quiet()
    return heard


def stateless(**changes: Any) -> bytes:
    return opening(**{"kind": "stateless", "session": None, **changes})


def hidden(batch: int = 1, tokens: int = 4, seed: int = 0) -> torch.Tensor:
    return torch.randn(batch, tokens, HIDDEN, generator=torch.Generator().manual_seed(seed))


def close(ours: torch.Tensor, theirs: torch.Tensor) -> None:
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


async def serves_the_next_client(served: Served) -> bool:
    entering = hidden()
    agreed, output = await converse(served, opening(), step(0, entering))
    close(output, served.span.view(FIRST, LAST).forward(entering))
    return agreed == OPENED and served.server.counts.sessions == 0
