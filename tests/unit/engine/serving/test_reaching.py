"""A server that could not reach the next one is asked again, and says whether it can now, while steps go on."""

from __future__ import annotations

import asyncio
from secrets import token_hex

import torch

from fakes.chain_of_two import SECOND, Two, close
from fakes.span_clients import hidden
from fakes.span_servers import Network, client_of, opening, step
from fakes.streams import flat
from meadow_client.wire.messages import VERSION, Address, Failure, Join, Opened, Reach, Reached, Result


async def test_a_server_says_whether_it_reaches_the_next_one_each_time_it_is_asked(two: Two, network: Network) -> None:
    network.separate("first", "second")
    async with client_of(network, "first") as client, client_of(network, "second") as other:
        other.say(opening(start=3, end=6, session=SECOND.session))
        client.say(opening(start=0, end=3, next=SECOND), flat(Reach(SECOND)))
        assert [await client.hear() for _ in range(2)][1] == Reached(SECOND, is_linked=False)
        network.apart.clear()
        for _ in range(2):
            client.say(flat(Reach(SECOND)))
            assert await client.hear() == Reached(SECOND, is_linked=True)
        assert len([stream for owner, peer, stream in network.ends if (owner, peer) == ("first", "second")]) == 1


async def test_steps_are_answered_while_a_server_tries_to_reach_the_next_one(two: Two, network: Network) -> None:
    network.hanging.add("second")
    async with client_of(network, "first") as client:
        client.say(opening(start=0, end=3), flat(Reach(SECOND)))
        assert isinstance(await client.hear(), Opened)
        began_s = asyncio.get_running_loop().time()
        for position in range(3):
            client.say(step(position, hidden(1, 1), epoch=1))
            assert (await client.hear()).shape == (1, 1, hidden().shape[2])
        assert asyncio.get_running_loop().time() - began_s < 2


async def test_a_client_that_leaves_does_not_wait_for_the_answer(two: Two, network: Network) -> None:
    network.hanging.add("second")
    began_s = asyncio.get_running_loop().time()
    async with client_of(network, "first") as client:
        client.say(opening(start=0, end=3), flat(Reach(SECOND)))
        assert isinstance(await client.hear(), Opened)
        await asyncio.sleep(0.05)
    await network.quiet()
    assert asyncio.get_running_loop().time() - began_s < 2


async def test_a_server_before_may_not_ask_for_that(two: Two, network: Network) -> None:
    async with client_of(network, "second") as client, client_of(network, "second") as before:
        client.say(opening(start=3, end=6, session=SECOND.session))
        assert isinstance(await client.hear(), Opened)
        before.say(flat(Join(VERSION, SECOND.session)), flat(Reach(Address("first", token_hex(16)))))
        assert await before.hear_all(1) == [Failure("broken-frame")]


async def test_a_session_that_its_client_fed_goes_on_with_the_server_before(two: Two, network: Network) -> None:
    """And what the client sent in the epoch before, and comes late, is dropped."""
    text = hidden(1, 10)
    async with client_of(network, "second") as client, client_of(network, "second") as before:
        client.say(opening(start=3, end=6, session=SECOND.session), step(0, text[:, :6], epoch=1))
        assert isinstance(await client.hear(), Opened)
        parts = [await client.hear()]
        before.say(flat(Join(VERSION, SECOND.session)), step(6, text[:, 6:8], epoch=2))
        parts.append(await client.hear())
        client.say(step(6, hidden(1, 1, seed=4), epoch=1))
        before.say(step(8, text[:, 8:], epoch=2))
        reply, tensors = await client.hear_with_tensors()
        assert isinstance(reply, Result)
        assert (reply.position, reply.epoch) == (8, 2)
        whole = torch.cat([*parts, tensors["hidden"]], dim=1)
    close(whole, two[1].span.view(3, 6).forward(text))
