"""A session on a server outlives the servers around it: it sends again what it sent, and drops what is out of date.

The clients here are bytes on streams; the servers are real, with a tiny model.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from secrets import token_hex
from typing import Any

import pytest
import torch

from fakes.models import HIDDEN
from fakes.pipelines import settle
from fakes.span_servers import Client, Network, Served, client_of, opening, step
from fakes.streams import flat, hear, stream_pair
from meadow_client.session.codec import unpack
from meadow_client.swarm.node import Stream
from meadow_client.wire import frames
from meadow_client.wire.messages import (
    VERSION,
    Address,
    Failure,
    Join,
    Notice,
    Opened,
    Ping,
    Pong,
    Queued,
    Resend,
    Result,
    Step,
)
from meadow_engine.runtime.pool import PagePool, PoolLimits
from meadow_engine.serving.span_server import ServingLimits

Two = tuple[Served, Served]
THIRD = Address("third", token_hex(16))


def hidden(batch: int = 1, tokens: int = 4, seed: int = 0) -> torch.Tensor:
    return torch.randn(batch, tokens, HIDDEN, generator=torch.Generator().manual_seed(seed))


def close(ours: torch.Tensor, theirs: torch.Tensor, tolerance: float = 1e-3) -> None:
    torch.testing.assert_close(ours, theirs, rtol=tolerance, atol=tolerance)


def address() -> Address:
    return Address("second", token_hex(16))


@asynccontextmanager
async def session(network: Network, peer: str, *said: bytes, **changes: Any) -> AsyncIterator[Client]:
    """A client whose session is open."""
    start, end = (0, 3) if peer == "first" else (3, 6)
    async with client_of(network, peer) as client:
        client.say(opening(**{"start": start, "end": end, "retain": True, **changes}), *said)
        assert isinstance(await client.hear(), Opened)
        yield client


async def answers(client: Client, tokens: int) -> list[Result]:
    """Results until so many tokens are done."""
    found: list[Result] = []
    while sum(reply.tokens for reply in found) < tokens:
        reply, _tensors = await client.hear_with_tensors()
        assert isinstance(reply, Result), reply
        found.append(reply)
    return found


def far_ends(served: Served, *, is_stuck: bool = False) -> asyncio.Queue[Stream]:
    """The far ends of the streams that a server opens to others, from now on; nobody answers there."""
    far: asyncio.Queue[Stream] = asyncio.Queue()

    async def connect(peer: str) -> Stream:
        ours, theirs = stream_pair(there=peer)
        ours.writer.is_stuck = is_stuck  # type: ignore[attr-defined]
        far.put_nowait(theirs)
        return ours

    served.server._connect = connect
    return far


@pytest.mark.parametrize("codec", ["raw", "int8"])
async def test_what_was_sent_is_sent_again_to_another_server(two: Two, network: Network, codec: Any) -> None:
    """The second server's session is lost and another one is filled with exactly what the first one got."""
    text, lost, instead = hidden(2, 30), address(), address()
    async with session(network, "first", next=lost) as client:
        async with session(network, "second", session=lost.session) as other:
            client.say(step(0, text[:, :20], (lost,), codec=codec, epoch=1))
            client.say(*(step(p, text[:, p : p + 1], (lost,), codec=codec, epoch=1) for p in range(20, 29)))
            await answers(other, 29)
        assert await client.hear() == Notice("next-lost", 1)
        computed = two[0].server.counts.tokens
        async with session(network, "second", session=instead.session) as other:
            client.say(flat(Resend(29, 2, (instead,), 8)))
            filled = await answers(other, 29)
            assert all(reply.tensors[0].shape == (2, 0, HIDDEN) for reply in filled)
            assert {reply.epoch for reply in filled} == {2}
            assert max(reply.tokens for reply in filled) <= 8
            assert two[0].server.counts.tokens == computed
            client.say(step(29, text[:, 29:], (instead,), epoch=2))
            expected = two[1].span.view(3, 6).forward(two[0].span.view(0, 3).forward(text))
            close(await other.hear(), expected[:, 29:], 1e-3 if codec == "raw" else 0.3)


async def test_what_is_sent_again_is_what_was_sent_with_all_that_belongs_to_it(two: Two, network: Network) -> None:
    far = far_ends(two[0])
    lost, instead = address(), address()
    text, mask = hidden(2, 6), torch.ones(2, 7, dtype=torch.bool)
    mask[0, :2] = False
    positions = torch.tensor([[0, 0, 0, 1, 2, 3], [0, 1, 2, 3, 4, 5]])
    async with session(network, "first", next=lost) as client:
        client.say(
            step(0, text, (lost,), epoch=1, attention_mask=mask[:, :6], position_ids=positions),
            step(6, text[:, :1], (lost,), epoch=1, order=1, attention_mask=mask, beam_idx=torch.tensor([1, 0])),
        )
        first = await far.get()
        sent = [await hear(first, frames.request_decoder) for _ in range(3)][1:]
        client.say(flat(Resend(7, 2, (instead, THIRD), 4)))
        second = await far.get()
        again = [await hear(second, frames.request_decoder) for _ in range(4)][1:]
    steps = [message for message, _tensors in again]
    assert all(isinstance(message, Step) for message in steps)
    assert [(m.position, m.epoch, m.order, m.keep_from, m.route, m.is_part) for m in steps] == [
        (position, 2, 1, 7, (THIRD,), True) for position in (0, 4, 6)
    ]
    whole = torch.cat([tensors["hidden"] for _message, tensors in again], dim=1)
    order = torch.tensor([1, 0])
    assert torch.equal(whole, torch.cat([sent[0][1]["hidden"][order], sent[1][1]["hidden"]], dim=1))
    assert [tensors["attention_mask"].tolist() for _message, tensors in again] == [
        mask[:, :last].tolist() for last in (4, 6, 7)
    ]
    assert torch.equal(torch.cat([t["position_ids"] for _m, t in again[:2]], dim=1), positions[order])
    assert not any("beam_idx" in tensors for _message, tensors in again)


@pytest.mark.parametrize("why", ["not asked to", "evicted", "not so much"])
async def test_what_is_not_retained_is_said_so_and_the_client_goes_on_itself(
    two: Two, network: Network, why: str
) -> None:
    if why == "evicted":
        two[0].restart(ServingLimits(retained_bytes=0))
    text, other = hidden(1, 8), address()
    async with session(network, "first", step(0, text, epoch=1), retain=why != "not asked to") as client:
        assert (await client.hear()).shape == (1, 8, HIDDEN)
        client.say(flat(Resend(9 if why == "not so much" else 8, 2, (other,), 4)))
        assert await client.hear() == Notice("not-retained", 2)
        client.say(step(0, text, epoch=2))
        close(await client.hear(), two[0].span.view(0, 3).forward(text))


async def test_a_server_that_cannot_be_reached_is_not_filled(two: Two, network: Network) -> None:
    async with session(network, "first", step(0, hidden(), epoch=1)) as client:
        await client.hear()
        client.say(flat(Resend(4, 2, (Address("nobody", token_hex(16)),), 4)))
        assert await client.hear() == Notice("next-lost", 2)
        client.say(step(4, hidden(), epoch=3))
        assert (await client.hear()).shape == (1, 4, HIDDEN)


async def test_only_the_client_has_things_sent_again(two: Two, network: Network) -> None:
    known = address()
    async with session(network, "second", session=known.session), client_of(network, "second") as before:
        before.say(flat(Join(VERSION, known.session)), flat(Resend(4, 0, (THIRD,), 4)))
        assert await before.hear() == Failure("broken-frame")


async def test_steps_of_an_earlier_epoch_do_not_touch_the_cache(two: Two, network: Network) -> None:
    known, text = address(), hidden(1, 12)
    async with session(network, "second", session=known.session) as client, client_of(network, "second") as before:
        before.say(flat(Join(VERSION, known.session)))
        before.say(step(0, text[:, :8], epoch=1))
        await client.hear()
        client.say(step(8, text[:, 8:10], epoch=2))
        await client.hear()
        # What the server before had still sent comes now: an answer to it would be a result of epoch 1.
        before.say(
            step(8, hidden(1, 2, seed=9), epoch=1), step(0, hidden(1, 1, seed=9), epoch=1), step(50, text, epoch=1)
        )
        client.say(step(10, text[:, 10:], epoch=2))
        reply, tensors = await client.hear_with_tensors()
        assert (reply.position, reply.epoch) == (10, 2)
        close(tensors["hidden"], two[1].span.view(3, 6).forward(text)[:, 10:])
        client.say(flat(Ping()))
        assert (await hear(client.stream))[0] == Pong()
        assert two[1].server.counts.tokens == 12


async def test_a_servers_queue_drops_what_is_out_of_date(two: Two, network: Network) -> None:
    text, may_go_on = hidden(1, 40), threading.Event()
    two[0].compute.submit(lambda: may_go_on.wait(20), lambda *_anything: None)
    async with session(network, "first", *(step(p, text[:, p : p + 4], epoch=1) for p in range(0, 40, 4))) as client:
        await asyncio.sleep(0.05)
        client.say(step(0, text[:, :4], epoch=2))
        await asyncio.sleep(0.05)
        may_go_on.set()
        found = []
        while not found or found[-1].epoch < 2:
            found.append((await client.hear_with_tensors())[0])
        assert [(reply.position, reply.epoch) for reply in found] == [(0, 1), (0, 2)]


async def test_a_reordering_that_comes_twice_is_taken_once(two: Two, network: Network) -> None:
    text, following, order = hidden(3, 6), hidden(3, 1, seed=1), torch.tensor([2, 0, 0])
    reordered = step(6, following, epoch=1, order=1, beam_idx=order)
    async with session(network, "first", step(0, text, epoch=1), reordered) as client:
        await client.hear()
        first = await client.hear()
        client.say(step(6, following, epoch=2, order=1, beam_idx=order))
        again = await client.hear()
        client.say(step(7, following, epoch=2, order=2, beam_idx=order))
        later = await client.hear()
    view = two[0].span.view(0, 3)
    expected = view.forward(torch.cat([text[order], following], dim=1))
    close(first, expected[:, 6:])
    close(again, expected[:, 6:])
    close(later, view.forward(torch.cat([torch.cat([text[order], following], dim=1)[order], following], dim=1))[:, 7:])


async def test_a_ping_is_answered_while_a_long_pass_runs(two: Two, network: Network) -> None:
    may_go_on = threading.Event()
    two[0].compute.submit(lambda: may_go_on.wait(20), lambda *_anything: None)
    async with session(network, "first", step(0, hidden(), epoch=1)) as client:
        await asyncio.sleep(0.05)
        for _ in range(3):
            client.say(flat(Ping()))
            async with asyncio.timeout(5):
                assert (await hear(client.stream))[0] == Pong()
        assert not may_go_on.is_set()
        may_go_on.set()
        assert (await client.hear()).shape == (1, 4, HIDDEN)


async def test_a_ping_is_answered_by_who_stands_in_line(two: Two, network: Network) -> None:
    two[0].restart(pool=PagePool(PoolLimits(2)))
    async with (
        session(network, "first", step(0, hidden(1, 32), epoch=1)) as holder,
        session(network, "first") as client,
    ):
        await holder.hear()
        client.say(step(0, hidden(), epoch=1))
        assert isinstance(await client.hear(), Queued)
        client.say(flat(Ping()))
        while not isinstance((await hear(client.stream))[0], Pong):
            continue


async def test_a_long_body_that_comes_in_slowly_is_told_of(two: Two, network: Network) -> None:
    """A ping behind it could not be answered before it has come."""
    data = step(0, hidden(2, 190), epoch=1)
    known = address()
    async with session(network, "second", session=known.session) as client, client_of(network, "second") as before:
        for sender, position in ((client, 0), (before, 0)):
            if sender is before:
                before.say(flat(Join(VERSION, known.session)))
            pongs = 0
            for first in range(position, len(data), 40_000):
                sender.say(data[first : first + 40_000])
                await asyncio.sleep(0.25)
            while isinstance((reply := await hear(client.stream))[0], Pong):
                pongs += 1
            assert pongs >= 1
            assert isinstance(reply[0], Result | Queued)


async def test_a_session_lives_on_when_its_next_server_is_lost(two: Two, network: Network) -> None:
    text, lost = hidden(1, 10), address()
    async with session(network, "first", next=lost) as client:
        async with session(network, "second", session=lost.session) as other:
            client.say(step(0, text[:, :6], (lost,), epoch=1))
            await other.hear()
            network.kill("second")
        assert await client.hear() == Notice("next-lost", 1)
        client.say(step(6, text[:, 6:8], (lost,), epoch=1))  # nobody waits for it any more
        client.say(step(6, text[:, 6:], epoch=2))
        reply, tensors = await client.hear_with_tensors()
        assert (reply.position, reply.epoch) == (6, 2)
        close(tensors["hidden"], two[0].span.view(0, 3).forward(text)[:, 6:])


async def test_a_server_that_hands_on_to_one_that_stands_still_is_free_for_another_way(
    two: Two, network: Network
) -> None:
    """Whoever sends to a machine that takes nothing more waits until the client names another way."""
    far = far_ends(two[0], is_stuck=True)
    lost = address()
    async with session(network, "first", next=lost) as client:
        client.say(step(0, hidden(), (lost,), epoch=1), step(4, hidden(), (lost,), epoch=1))
        stuck = await far.get()
        for _ in range(2):
            await hear(stuck, frames.request_decoder)
        client.say(step(4, hidden(), epoch=2))
        assert await client.hear() == Notice("next-lost", 1)
        reply, _tensors = await client.hear_with_tensors()
        assert (reply.position, reply.epoch) == (4, 2)
        assert await stuck.reader.read() == b""


async def test_a_link_that_nothing_goes_through_any_more_may_end_unnoticed(two: Two, network: Network) -> None:
    lost = address()
    async with session(network, "first", next=lost) as client:
        async with session(network, "second", session=lost.session):
            client.say(step(0, hidden(), epoch=1))
            await client.hear()
        client.say(flat(Ping()))
        assert (await hear(client.stream))[0] == Pong()
        client.say(step(4, hidden(), epoch=1))
        assert (await client.hear()).shape == (1, 4, HIDDEN)


async def test_what_is_retained_is_given_back_with_the_session(two: Two, network: Network) -> None:
    retention = two[0].server._retention
    async with session(network, "first", step(0, hidden(2, 16), epoch=1)) as client:
        await client.hear()
        await settle()  # it goes out first, and is kept then
        assert retention.used_bytes >= 2 * 16 * HIDDEN * 4
    await network.quiet()
    assert retention.used_bytes == 0


async def test_a_session_that_was_evicted_in_the_middle_of_sending_again_still_sends_all(
    two: Two, network: Network
) -> None:
    far = far_ends(two[0])
    mask = torch.ones(1, 12, dtype=torch.bool)
    mask[0, 0] = False
    async with session(network, "first", step(0, hidden(1, 12), epoch=1, attention_mask=mask)) as client:
        expected = await client.hear()
        client.say(flat(Resend(12, 2, (address(),), 3)))
        instead = await far.get()
        await hear(instead, frames.request_decoder)
        parts = [(await hear(instead, frames.request_decoder))[1]]
        two[0].server._retention._forget(next(iter(two[0].server._retention._kept)))
        parts += [(await hear(instead, frames.request_decoder))[1] for _ in range(3)]
    assert torch.equal(torch.cat([unpack(p, torch.float32, torch.device("cpu")) for p in parts], dim=1), expected)  # type: ignore[arg-type]
    assert all(part["attention_mask"].tolist() == mask[:, : 3 * (i + 1)].tolist() for i, part in enumerate(parts))
