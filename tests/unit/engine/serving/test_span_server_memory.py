"""Sessions side by side share one server's memory: who comes late stands in line, who is idle makes room."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from fakes.models import HIDDEN
from fakes.span_clients import FIRST, LAST, OPENED, close, hidden
from fakes.span_servers import Client, Served, client_of, opening, step
from meadow_client.wire.messages import Failure, Opened, Queued
from meadow_engine.batching import admission
from meadow_engine.runtime.pool import PagePool, PoolLimits


async def held_by_another(served: Served, tokens: int) -> Client:
    """A client whose session holds the pages of so many tokens, four times."""
    client = Client(await served.network.open(served.name))
    client.say(opening(), step(0, hidden(4, tokens)))
    assert [type(reply) for reply in await client.hear_all(2)] == [Opened, torch.Tensor]
    return client


async def test_sessions_side_by_side_share_the_memory(served: Served) -> None:
    first = await held_by_another(served, 96)
    second = await held_by_another(served, 64)
    assert served.pool.free_pages == 0
    assert served.server.counts.sessions == 2
    first.hang_up()
    second.hang_up()


async def test_a_newcomer_is_told_its_place_and_served_when_another_leaves(served: Served) -> None:
    other = await held_by_another(served, 160)
    async with client_of(served.network, served.name) as client:
        client.say(opening(), step(0, hidden()))
        assert await client.hear_all(2) == [OPENED, Queued(1, 60.0)]
        other.hang_up()
        close(await client.hear(), served.span.view(FIRST, LAST).forward(hidden()))


async def test_a_newcomer_that_leaves_the_line_takes_nothing_with_it(served: Served) -> None:
    other = await held_by_another(served, 160)
    assert await converse_beside(served, opening(), step(0, hidden())) == [OPENED, Queued(1, 60.0)]
    async with client_of(served.network, served.name) as client:
        client.say(opening(), step(0, hidden()))
        await client.hear_all(2)
        other.hang_up()
        assert (await client.hear()).shape == (1, 4, HIDDEN)


async def converse_beside(served: Served, *said: bytes) -> list[Any]:
    async with client_of(served.network, served.name) as client:
        client.say(*said)
        return await client.hear_all(len(said))


async def test_a_newcomer_that_waited_too_long_is_told_so(served: Served) -> None:
    served.restart(pool=PagePool(PoolLimits(4, patience_s=0.05)))
    other = await held_by_another(served, 16)
    assert await converse_beside(served, opening(), step(0, hidden())) == [OPENED, Queued(1, 0.05)]
    async with client_of(served.network, served.name) as client:
        client.say(opening(), step(0, hidden()))
        assert (await client.hear_all(3))[2:] == [Failure("server-full")]
    other.hang_up()


async def test_an_idle_session_makes_room_and_goes_on_with_the_same_output(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission, "RECENT_S", 0.0)
    served.restart(pool=PagePool(PoolLimits(4, 8, spill_after_s=0.0)))
    text, other = hidden(tokens=45), hidden(tokens=60, seed=1)
    view = served.span.view(FIRST, LAST)
    async with client_of(served.network, served.name) as first, client_of(served.network, served.name) as second:
        first.say(opening(), step(0, text[:, :40]))
        await first.hear_all(2)
        second.say(opening(), step(0, other))
        assert [type(reply) for reply in await second.hear_all(2)] == [Opened, Queued]
        close(await second.hear(), view.forward(other))
        assert served.pool.free_host_pages == 5
        first.say(step(40, text[:, 40:]))
        assert isinstance(await first.hear(), Queued)
        close(await first.hear(), view.forward(text)[:, 40:])
        assert served.pool.free_host_pages == 4
    await served.network.quiet()
    assert served.pool.free_host_pages == 8


async def test_two_prompts_in_pieces_that_wait_for_each_others_memory_both_end(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission, "RECENT_S", 0.05)
    served.restart(pool=PagePool(PoolLimits(6, 20, spill_after_s=0.0)))
    text = hidden(tokens=80)
    pieces = [step(first, text[:, first : first + 16]) for first in range(0, 80, 16)]
    async with client_of(served.network, served.name) as first, client_of(served.network, served.name) as second:
        for client in (first, second):
            client.say(opening(), *pieces)
        for client in (first, second):
            outputs = []
            while len(outputs) < 5:
                reply = await client.hear()
                assert not isinstance(reply, Failure)
                if isinstance(reply, torch.Tensor):
                    outputs.append(reply)
            close(torch.cat(outputs, dim=1), served.span.view(FIRST, LAST).forward(text))
