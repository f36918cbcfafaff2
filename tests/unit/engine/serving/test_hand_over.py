"""A server that leaves sends its sessions' caches to others, where they go on as they were.

The clients here are bytes on streams; the servers are real, with a tiny model.
"""

from __future__ import annotations

import asyncio
from secrets import token_hex

import pytest
import torch

from fakes.pages import HEADS, WIDTH, all_pages, is_alive, kept, session, stranger
from fakes.span_clients import hidden
from fakes.span_servers import PAGES, Network, Served, step
from fakes.streams import flat, hear, stream_pair
from meadow_client.swarm.node import Stream
from meadow_client.wire import checks, frames
from meadow_client.wire.messages import Address, Filled, HandOver, Join, Pages, Reach, Step
from meadow_engine.runtime.caches import SessionCache
from meadow_engine.runtime.pool import PagePool, PoolLimits
from meadow_engine.serving import hand_over
from meadow_engine.serving.hand_over import cut_pages, goes_on, is_first, is_last


@pytest.fixture
async def successor(network: Network, served: Served) -> Served:
    """Another one with the same layers as "server"."""
    return Served("successor", served.span, served.compute, network)


@pytest.mark.parametrize("most_bytes", [checks.MAX_PAGES_BYTES, 2 * HEADS * WIDTH * 4 * 3])
async def test_a_cache_moves_in_two_parts_and_goes_on_where_it_was(
    served: Served, successor: Served, network: Network, monkeypatch: pytest.MonkeyPatch, most_bytes: int
) -> None:
    """Also where a message has room for a few tokens of one layer only."""
    monkeypatch.setattr(hand_over, "MAX_PAGES_BYTES", most_bytes)
    text = hidden(2, 40)
    async with session("server", network) as (client, _), session("successor", network) as (other, address):
        client.say(step(0, text[:, :30], epoch=1))
        await client.hear()
        client.say(flat(HandOver(address, 0, 1)))
        assert await other.hear() == Filled(30)
        client.say(step(28, text[:, 28:35], epoch=1))
        expected = [await client.hear()]
        client.say(flat(HandOver(address, 28, 1)))
        assert await other.hear() == Filled(35)
        for one in (client, other):
            one.say(step(35, text[:, 35:], epoch=2))
            expected.append(await one.hear())
        torch.testing.assert_close(expected[1], expected[2], rtol=1e-5, atol=1e-4)
        caches = [(*one.server._sessions.values(),)[0].state._cache for one in (served, successor)]
        for mine, theirs in zip(*(cache.layers for cache in caches), strict=True):
            assert mine.length == theirs.length == 40
            assert torch.equal(mine.keys[:, :, :35], theirs.keys[:, :, :35])
            assert torch.equal(mine.values[:, :, :35], theirs.values[:, :, :35])
        assert successor.pool.free_pages == PAGES - 2 * 3
        client.hang_up()
        await asyncio.sleep(0.05)
        assert served.pool.free_pages == PAGES
        assert successor.server.counts.tokens == 2 * 5


async def test_a_cache_in_host_memory_is_read_where_it_lies(
    served: Served, successor: Served, network: Network
) -> None:
    served.restart(pool=PagePool(PoolLimits(4, host_pages=4, spill_after_s=0.0)))
    text = hidden(1, 30)
    async with session("server", network) as (client, _), session("successor", network) as (other, address):
        client.say(step(0, text[:, :29], epoch=1))
        await client.hear()
        (moved,) = served.server._sessions.values()
        await moved.move_out()
        client.say(flat(HandOver(address, 0, 1)))
        assert await other.hear() == Filled(29)
        assert moved.state.is_away
        other.say(step(29, text[:, 29:], epoch=2))
        expected = served.span.view(1, 5).forward(text)[:, 29:]
        torch.testing.assert_close(await other.hear(), expected, rtol=1e-3, atol=1e-3)


async def test_a_cache_that_moves_out_while_it_is_filled_is_counted_where_it_lies(
    served: Served, network: Network
) -> None:
    served.restart(pool=PagePool(PoolLimits(8, host_pages=8)))
    async with session("server", network) as (client, address), stranger(network, address) as before:
        parts = all_pages(end=40)
        before.say(*parts[:2])
        await asyncio.sleep(0.1)
        (filled,) = served.server._sessions.values()
        await filled.move_out()
        assert (filled.account.pages, filled.account.host_pages) == (0, 3)
        before.say(*parts[2:])
        assert await client.hear() == Filled(40)
        assert (filled.account.pages, filled.account.host_pages) == (3, 0)
        assert not filled.state.is_away


async def test_there_is_nothing_to_hand_over_before_the_first_step_nor_behind_the_last(
    served: Served, successor: Served, network: Network
) -> None:
    async with session("server", network) as (client, _), session("successor", network) as (_other, address):
        client.say(flat(HandOver(address, 0, 1)))
        assert await client.hear() == Filled(0)
        client.say(step(0, hidden(1, 5), epoch=1))
        await client.hear()
        for first in (5, 9):
            client.say(flat(HandOver(address, first, 1)))
            assert await client.hear() == Filled(0)


@pytest.mark.parametrize("why", ["nobody there", "no such session"])
async def test_a_successor_that_is_not_there_gets_nothing(served: Served, network: Network, why: str) -> None:
    peer = "nobody" if why == "nobody there" else "successor"
    if peer == "successor":
        other = Served(peer, served.span, served.compute, network)
        other.server._wait_for_session = _refuse  # type: ignore[assignment, method-assign]
    async with session("server", network) as (client, _):
        client.say(step(0, hidden(1, 5), epoch=1))
        await client.hear()
        client.say(flat(HandOver(Address(peer, token_hex(16)), 0, 1)))
        assert await client.hear() == Filled(0)
        assert await is_alive(client)


async def _refuse(_session: str) -> None:
    raise OSError


def far_ends(served: Served) -> asyncio.Queue[Stream]:
    """The far ends of the streams that a server opens to others; there, nobody takes anything."""
    far: asyncio.Queue[Stream] = asyncio.Queue()

    async def connect(peer: str) -> Stream:
        ours, theirs = stream_pair(there=peer)
        ours.writer.is_stuck = True  # type: ignore[attr-defined]
        far.put_nowait(theirs)
        return ours

    served.server._connect = connect
    return far


async def test_a_new_epoch_does_not_break_off_a_copy_that_is_under_way(served: Served, network: Network) -> None:
    """Another server of the chain was replaced meanwhile."""
    far = far_ends(served)
    async with session("server", network) as (client, _):
        client.say(step(0, hidden(1, 5), epoch=1))
        await client.hear()
        client.say(flat(HandOver(Address("successor", token_hex(16)), 0, 1)))
        copying = await far.get()
        assert isinstance((await hear(copying, frames.request_decoder))[0], Join)
        client.say(step(5, hidden(1, 1), epoch=2))
        await client.hear()
        assert isinstance((await hear(copying, frames.request_decoder))[0], Pages)
        assert not copying.reader.at_eof()
        client.hang_up()


async def test_the_latest_hand_over_is_the_one_that_is_wanted(
    served: Served, successor: Served, network: Network
) -> None:
    far, connect = far_ends(served), served.server._connect

    async def choose(peer: str) -> Stream:
        return await (connect(peer) if peer == "stuck" else network.open(peer, opener="server"))

    served.server._connect = choose
    async with session("server", network) as (client, _), session("successor", network) as (other, address):
        client.say(step(0, hidden(1, 5), epoch=1))
        await client.hear()
        for _ in range(50):
            client.say(flat(HandOver(Address("stuck", "0" * 32), 0, 1)), flat(Reach(Address("stuck", "0" * 32))))
        await far.get()
        client.say(flat(HandOver(address, 0, 1)))
        assert await other.hear() == Filled(5)
        assert len(asyncio.all_tasks()) < 40
        client.hang_up()


async def test_there_is_one_stream_to_a_next_server_however_often_it_is_named(served: Served, network: Network) -> None:
    """Two of them would mix up the order of steps."""
    far: list[Stream] = []
    may_connect = asyncio.Event()

    async def connect(peer: str) -> Stream:
        await may_connect.wait()
        ours, theirs = stream_pair(there=peer)
        far.append(theirs)
        return ours

    served.server._connect = connect
    following = Address("next", token_hex(16))
    async with session("server", network) as (client, _):
        client.say(flat(Reach(following)), step(0, hidden(1, 4), (following,), epoch=1))
        await asyncio.sleep(0.05)
        client.say(step(4, hidden(1, 4), (following,), epoch=1))
        may_connect.set()
        await asyncio.sleep(0.05)
        assert len(far) == 1
        said = [(await hear(far[0], frames.request_decoder))[0] for _ in range(3)]
        assert [type(message) for message in said] == [Join, Step, Step]
        client.hang_up()


@pytest.mark.parametrize("tokens_at_once", [1, 3, 7, 100])
def test_pages_that_were_cut_go_on_from_the_first_to_the_last(
    monkeypatch: pytest.MonkeyPatch, tokens_at_once: int
) -> None:
    layers = [(kept(7, rows=2), kept(7, rows=2)) for _ in range(3)]
    monkeypatch.setattr(hand_over, "MAX_PAGES_BYTES", tokens_at_once * 2 * 2 * HEADS * WIDTH * 4)
    messages = [message for message, _bodies in cut_pages(layers, 5, 2, 1)]
    assert len(messages) == 3 * -(-7 // tokens_at_once)
    assert [is_first(message) for message in messages] == [True] + [False] * (len(messages) - 1)
    assert [is_last(message, 3) for message in messages] == [False] * (len(messages) - 1) + [True]
    for index, message in enumerate(messages):
        assert [goes_on(other, message) for other in messages] == [other == index + 1 for other in range(len(messages))]


def test_a_cache_reads_and_writes_any_part_of_itself() -> None:
    source, target = SessionCache(), SessionCache()
    for layer in range(2):
        source.update(kept(30), kept(30) + 1, layer)
    assert source.shapes() == [(HEADS, WIDTH, WIDTH)] * 2
    for first, end in ((0, 10), (10, 30), (4, 20)):
        for layer in range(2):
            target.layer(layer).write(first, *source.layers[layer].read(first, end))
            assert target.layers[layer].length == end
            assert all(
                torch.equal(mine[:, :, :end], theirs[:, :, :end])
                for mine, theirs in (
                    (target.layers[layer].keys, source.layers[layer].keys),
                    (target.layers[layer].values, source.layers[layer].values),
                )
            )
