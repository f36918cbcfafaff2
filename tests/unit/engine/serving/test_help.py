"""A server tells what it computes for others, and for whom; the person's own engine is nobody else."""

from __future__ import annotations

from typing import Any

import torch

from fakes.models import HIDDEN
from fakes.span_servers import Served, client_of, opening, step
from fakes.streams import flat
from meadow_client.wire.messages import Backward, Forward, Opened
from meadow_engine.serving.help import Help
from meadow_engine.serving.span_server import ServingLimits

CLIENT = "12D3KooWhere"


def hidden(batch: int = 1, tokens: int = 4) -> torch.Tensor:
    return torch.randn(batch, tokens, HIDDEN)


async def converse(served: Served, first: bytes, *said: bytes) -> None:
    """Wait for an answer to everything."""
    async with client_of(served.network, served.name) as client:
        client.say(first)
        assert isinstance(await client.hear(), Opened)
        for message in said:
            client.say(message)
            await client.hear()
    await served.network.quiet()


def stateless(**changes: Any) -> bytes:
    return opening(kind="stateless", session=None, **changes)


async def test_every_step_is_told_with_its_client_and_the_layers_that_were_asked_for(served: Served) -> None:
    steps = step(0, hidden(2, 5)), step(5, hidden(2, 1)), step(3, hidden(2, 2))
    await converse(served, opening(start=2, end=4), *steps)
    assert served.helped == [
        Help(CLIENT, 2, 4, 10, True),
        Help(CLIENT, 2, 4, 2, False),
        Help(CLIENT, 2, 4, 4, False),
    ]


async def test_each_session_begins_a_conversation(served: Served) -> None:
    for _ in range(2):
        await converse(served, opening(), step(0, hidden()))
    assert [help.is_first for help in served.helped] == [True, True]


async def test_a_client_that_asks_for_nothing_was_not_helped(served: Served) -> None:
    await converse(served, opening())
    assert served.helped == []


async def test_passes_without_a_cache_are_help_but_no_conversation(served: Served) -> None:
    text = hidden(batch=2)
    await converse(
        served, stateless(batch=2), flat(Forward(()), hidden=text), flat(Backward(()), hidden=text, grad=text)
    )
    assert served.helped == [Help(CLIENT, 1, 5, 8, False)] * 2


async def test_the_persons_own_engine_is_served_and_not_helped(served: Served) -> None:
    served.restart(ServingLimits(first_peer=CLIENT))
    await converse(served, opening(), step(0, hidden()))
    await converse(served, stateless(), flat(Forward(()), hidden=hidden()))
    assert (served.server.counts.tokens, served.helped) == (8, [])
