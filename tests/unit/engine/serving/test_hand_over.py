"""A server that leaves sends its sessions' caches to others; what it takes from strangers must fit.

The clients here are bytes on streams; the servers are real, with a tiny model.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from secrets import token_hex
from typing import Any

import pytest
import torch

from fakes.models import HIDDEN
from fakes.span_servers import PAGES, Client, Network, Served, client_of, opening, step
from fakes.streams import flat, hear, stream_pair
from meadow_client.swarm.node import Stream
from meadow_client.wire import checks, frames
from meadow_client.wire.messages import (
    VERSION,
    Address,
    Failure,
    Filled,
    HandOver,
    Join,
    Leaving,
    Opened,
    Pages,
    Ping,
    Pong,
    Queued,
    Reach,
    Release,
    Step,
)
from meadow_engine.runtime.caches import SessionCache
from meadow_engine.runtime.pool import PagePool, PoolLimits
from meadow_engine.serving import hand_over, span_server
from meadow_engine.serving.hand_over import cut_pages, goes_on, is_first, is_last

LAYERS, HEADS, WIDTH = 4, 2, 16
END = 20


def hidden(batch: int = 1, tokens: int = 4, seed: int = 0) -> torch.Tensor:
    return torch.randn(batch, tokens, HIDDEN, generator=torch.Generator().manual_seed(seed))


def kept(tokens: int = END, rows: int = 1, heads: int = HEADS, width: int = WIDTH) -> torch.Tensor:
    return torch.randn(rows, heads, tokens, width, generator=torch.Generator().manual_seed(tokens))


def pages(layer: int, position: int = 0, first: int = 0, end: int = END, **changes: Any) -> bytes:
    """All tokens of one layer, if nothing else is said."""
    keys = changes.pop("keys", kept(end - position))
    values = changes.pop("values", keys)
    message = Pages(layer, position, first, end, (), **{"epoch": 1, **changes})
    return flat(message, keys=keys, values=values)


def all_pages(first: int = 0, end: int = END, **changes: Any) -> list[bytes]:
    return [pages(layer, first, first, end, **changes) for layer in range(LAYERS)]


@asynccontextmanager
async def session(peer: str, network: Network, **changes: Any) -> AsyncIterator[tuple[Client, Address]]:
    """An open session, and where other servers find it."""
    address = Address(peer, token_hex(16))
    async with client_of(network, peer) as client:
        client.say(opening(session=address.session, **changes))
        assert isinstance(await client.hear(), Opened)
        yield client, address


@asynccontextmanager
async def stranger(network: Network, address: Address) -> AsyncIterator[Client]:
    """Another server, which knows a session."""
    async with client_of(network, address.peer) as other:
        other.say(flat(Join(VERSION, address.session)))
        yield other


async def is_alive(client: Client) -> bool:
    client.say(flat(Ping()))
    try:
        async with asyncio.timeout(5):
            while not isinstance((await hear(client.stream))[0], Pong):
                continue
            return True
    except asyncio.IncompleteReadError:
        return False


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
