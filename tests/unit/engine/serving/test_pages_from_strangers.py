"""What a server takes as pages of a cache must fit; what does not ends the stream it came on.

The clients here are bytes on streams; the servers are real, with a tiny model.
"""

from __future__ import annotations

import asyncio

import pytest
import torch

from fakes.models import HIDDEN
from fakes.pages import END, all_pages, is_alive, kept, pages, session, stranger
from fakes.span_clients import hidden
from fakes.span_servers import Network, Served, step
from fakes.streams import flat
from meadow_client.wire.messages import Failure, Filled, Pages, Queued
from meadow_engine.runtime.pool import PagePool, PoolLimits
from meadow_engine.serving import span_server

NO_PAGES = {
    "other heads": [pages(0, keys=kept(heads=4))],
    "another width": [pages(0, keys=kept(width=8))],
    "other heads for the values": [pages(0, keys=kept(), values=kept(heads=1))],
}
BROKEN = {
    "more rows than agreed": [pages(0, keys=kept(rows=5))],
    "more tokens than agreed": [pages(0, end=201)],
    "more tokens than they say": [pages(0, keys=kept(END + 1))],
    "before what they say": [pages(0, 3, first=4)],
    "of no tokens": [pages(0, end=0, keys=kept(0))],
    "keys only": [flat(Pages(0, 0, 0, END, (), 1), keys=kept())],
    "of integers": [pages(0, keys=kept().to(torch.int64))],
    "of other lengths": [pages(0, keys=kept(), values=kept(END - 1))],
}
GAPS = {
    "a gap before them": [pages(0, 6, first=6)],
    "not the first ones": [pages(0, 4)],
    "not the first layer": [pages(1)],
    "a layer left out": [pages(0), pages(2)],
    "tokens left out": [pages(0, keys=kept(5)), pages(0, 6)],
    "twice the same": [pages(0, keys=kept(5)), pages(0, 2, keys=kept(5))],
    "the next layer too early": [pages(0, keys=kept(5)), pages(1)],
    "another end": [pages(0), pages(1, end=END + 1)],
    "other rows": [pages(0), pages(1, keys=kept(rows=2))],
    "another order": [pages(0), pages(1, order=1)],
    "another epoch": [pages(0), pages(1, epoch=2)],
    "what was done is done": [*all_pages(), pages(3)],
    "a step between them": [pages(0), step(0, hidden(), epoch=1), pages(1)],
}


@pytest.mark.parametrize("what", [*BROKEN, *GAPS])
@pytest.mark.parametrize("whose", ["a server's", "the client's"])
async def test_pages_that_do_not_fit_end_the_stream_they_come_on(
    served: Served, network: Network, monkeypatch: pytest.MonkeyPatch, what: str, whose: str
) -> None:
    monkeypatch.setattr(span_server, "LAST_READ_S", 0.02)
    said = [*BROKEN.get(what, ()), *GAPS.get(what, ())]
    code = "broken-frame" if what in BROKEN else "position-gap"
    async with session("server", network) as (other, _), session("server", network) as (client, address):
        async with stranger(network, address) as before:
            (before if whose == "a server's" else client).say(*said)
            heard = await (before if whose == "a server's" else client).hear_all(5)
        assert heard[-1] == Failure(code)
        assert await is_alive(client) == (whose == "a server's")
        if whose == "a server's":
            client.say(step(0, hidden(), epoch=3))
            while isinstance(reply := await client.hear(), Filled):
                continue
            assert reply.shape == (1, 4, HIDDEN)
        assert await is_alive(other)


@pytest.mark.parametrize("what", NO_PAGES)
async def test_pages_that_these_layers_do_not_take_end_the_session(served: Served, network: Network, what: str) -> None:
    """A server before can hurt its own session only."""
    async with session("server", network) as (other, _), session("server", network) as (client, address):
        async with stranger(network, address) as before:
            before.say(*NO_PAGES[what])
            replies = await client.hear_all(3)
        assert isinstance(replies[-1], Failure)
        assert await is_alive(other)


async def test_rows_that_a_session_does_not_have_do_not_go_on_in_it(served: Served, network: Network) -> None:
    async with session("server", network) as (client, address), stranger(network, address) as before:
        before.say(*all_pages())
        assert await client.hear() == Filled(END)
        before.say(pages(0, END, END, END + 2, keys=kept(2, rows=2)))
        assert await before.hear() == Failure("position-gap")


async def test_no_step_goes_on_behind_pages_that_have_not_come(served: Served, network: Network) -> None:
    async with session("server", network) as (client, address), stranger(network, address) as before:
        before.say(*all_pages()[:-1])
        await asyncio.sleep(0.05)
        client.say(step(END, hidden(), epoch=1))
        assert await client.hear() == Failure("position-gap")


async def test_pages_of_an_earlier_epoch_are_dropped(served: Served, network: Network) -> None:
    text = hidden(1, 8)
    async with session("server", network) as (client, address), stranger(network, address) as before:
        client.say(step(0, text[:, :6], epoch=2))
        await client.hear()
        before.say(*all_pages(epoch=1), pages(3, 7, 5, epoch=1))
        assert await is_alive(before)
        client.say(step(6, text[:, 6:], epoch=2))
        expected = served.span.view(1, 5).forward(text)[:, 6:]
        torch.testing.assert_close(await client.hear(), expected, rtol=1e-3, atol=1e-3)


async def test_pages_stand_in_line_for_memory(served: Served, network: Network) -> None:
    served.restart(pool=PagePool(PoolLimits(2, patience_s=10.0)))
    async with session("server", network) as (holder, _), session("server", network) as (client, address):
        holder.say(step(0, hidden(1, 20), epoch=1))
        await holder.hear()
        async with stranger(network, address) as before:
            before.say(*all_pages())
            assert await client.hear() == Queued(1, 10.0)
            holder.hang_up()
            assert await client.hear() == Filled(END)


async def test_a_session_of_more_pages_than_there_are_is_refused(served: Served, network: Network) -> None:
    served.restart(pool=PagePool(PoolLimits(2)))
    async with session("server", network) as (client, address), stranger(network, address) as before:
        before.say(*all_pages(end=40))
        assert await client.hear() == Failure("server-full")
