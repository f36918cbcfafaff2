"""A server that ends takes no new clients, and lets those that are there go on until they have moved."""

from __future__ import annotations

import asyncio

import pytest

from fakes.models import HIDDEN
from fakes.pages import session, stranger
from fakes.span_clients import hidden
from fakes.span_servers import Network, Served, client_of, opening, step
from fakes.streams import flat
from meadow_client.wire.messages import Failure, Leaving, Release
from meadow_engine.serving import span_server


async def test_a_server_that_leaves_says_so_and_takes_no_new_client(
    served: Served, network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(span_server, "_QUIET_S", 0.1)
    async with session("server", network) as (client, address):
        leaving = asyncio.get_running_loop().create_task(served.server.leave(20.0))
        assert await client.hear() == Leaving(20.0)
        async with client_of(network, "server") as late:
            late.say(opening())
            assert await late.hear() == Failure("leaving")
        async with client_of(network, "server") as late:
            late.say(opening(kind="stateless", session=None))
            assert await late.hear() == Failure("leaving")
        async with stranger(network, address) as before:  # a neighbour may still come
            before.say(step(0, hidden(), epoch=1))
            assert (await client.hear()).shape == (1, 4, HIDDEN)
        await asyncio.sleep(0.2)
        assert not leaving.done()
        client.say(flat(Release()))
        async with asyncio.timeout(5):
            await leaving


async def test_a_released_session_may_stay_while_it_is_used(
    served: Served, network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(span_server, "_QUIET_S", 0.3)
    async with session("server", network) as (client, _):
        leaving = asyncio.get_running_loop().create_task(served.server.leave(20.0))
        await client.hear()
        client.say(flat(Release()))
        for position in range(10):
            client.say(step(position, hidden(1, 1), epoch=1))
            await client.hear()
            await asyncio.sleep(0.06)
            assert not leaving.done()
        async with asyncio.timeout(5):
            await leaving


async def test_leaving_ends_with_the_last_session_or_after_its_time(served: Served, network: Network) -> None:
    await served.server.leave(20.0)
    served.restart()
    async with session("server", network) as (client, _):
        async with asyncio.timeout(5):
            await served.server.leave(0.1)
        assert await client.hear() == Leaving(0.1)
        leaving = asyncio.get_running_loop().create_task(served.server.leave(20.0))
        await client.hear()
        client.hang_up()
        async with asyncio.timeout(5):
            await leaving
