"""Servers join sessions on others; who cannot be reached, dies or breaks the protocol is known for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from secrets import token_hex
from typing import Any

import pytest

from fakes.chain_of_two import LEGS, NOBODY, SECOND, Two, close
from fakes.models import HIDDEN
from fakes.span_clients import hidden
from fakes.span_servers import Client, Network, client_of, opening, run_step, step
from fakes.span_servers import close as end
from fakes.streams import flat
from meadow_client.errors import MeadowError, ServerLostError, ServerRefusedError
from meadow_client.wire.messages import VERSION, Failure, Join, Notice, Opened, Queued
from meadow_engine.runtime.pool import PagePool, PoolLimits
from meadow_engine.serving.span_server import ServingLimits


async def test_a_server_that_does_not_reach_the_next_says_so_at_the_opening(two: Two, network: Network) -> None:
    two[1].restart(ServingLimits(opening_s=0.02))
    async with client_of(network, "first") as client:
        client.say(opening(start=0, end=3, next=NOBODY))
        assert await client.hear() == Opened(HIDDEN, "float32", 8192, is_linked=False)
    async with client_of(network, "first") as client:
        client.say(opening(start=0, end=3, next=SECOND))
        assert await client.hear() == Opened(HIDDEN, "float32", 8192, is_linked=True)


async def test_a_step_for_a_server_that_cannot_be_reached_fails(two: Two, network: Network) -> None:
    async with client_of(network, "first") as client:
        client.say(opening(start=0, end=3), step(0, hidden(), (NOBODY,)))
        assert (await client.hear_all(2))[1:] == [Notice("next-lost", 0)]
        # The session lives: the client takes the other way.
        client.say(step(0, hidden(), epoch=1))
        assert (await client.hear()).shape == (1, 4, HIDDEN)


async def test_a_server_may_join_before_the_client_opens(two: Two, network: Network) -> None:
    session, text = token_hex(16), hidden()
    async with client_of(network, "second") as before, client_of(network, "second") as client:
        before.say(flat(Join(VERSION, session)), step(0, text))
        await asyncio.sleep(0)
        client.say(opening(start=3, end=6, session=session))
        assert isinstance(await client.hear(), Opened)
        close(await client.hear(), two[1].span.view(3, 6).forward(text))


async def test_a_session_that_nobody_opens_cannot_be_joined(two: Two, network: Network) -> None:
    two[1].restart(ServingLimits(opening_s=0.02))
    async with client_of(network, "second") as before:
        before.say(flat(Join(VERSION, token_hex(16))), step(0, hidden()))
        assert await before.hear_all(1) == [Failure("no-such-session")]
    async with client_of(network, "second") as before:
        before.say(flat(Join(VERSION + 1, token_hex(16))))
        assert await before.hear_all(1) == [Failure("other-version")]
    await network.quiet()
    assert two[1].server._has_come == {}


async def test_a_session_that_is_over_cannot_be_joined(two: Two, network: Network) -> None:
    two[1].restart(ServingLimits(opening_s=0.02))
    session = token_hex(16)
    async with client_of(network, "second") as client:
        client.say(opening(start=3, end=6, session=session))
        await client.hear()
    await network.quiet()
    async with client_of(network, "second") as before:
        before.say(flat(Join(VERSION, session)), step(0, hidden()))
        assert await before.hear_all(1) == [Failure("no-such-session")]


@pytest.mark.parametrize("strange", [b"GET / HTTP/1.1\r\n\r\n   ", flat(Failure("failed"))], ids=["http", "a reply"])
async def test_a_server_before_that_breaks_the_protocol_loses_its_stream_and_the_session_stays(
    two: Two, network: Network, strange: bytes
) -> None:
    session = token_hex(16)
    async with client_of(network, "second") as client, client_of(network, "second") as before:
        client.say(opening(start=3, end=6, session=session))
        await client.hear()
        before.say(flat(Join(VERSION, session)), strange)
        assert await before.hear_all(1) == [Failure("broken-frame")]
        client.say(step(0, hidden()))
        assert (await client.hear()).shape == (1, 4, HIDDEN)


async def test_steps_that_the_server_before_sends_too_far_on_are_refused(two: Two, network: Network) -> None:
    session = token_hex(16)
    async with client_of(network, "second") as client, client_of(network, "second") as before:
        client.say(opening(start=3, end=6, session=session))
        await client.hear()
        before.say(flat(Join(VERSION, session)), step(9, hidden()))
        assert await before.hear_all(1) == [Failure("position-gap")]


@pytest.mark.parametrize("dead", ["first", "second"])
@pytest.mark.parametrize("when", ["between steps", "during a step"])
async def test_a_server_that_dies_is_the_one_that_is_blamed(two: Two, network: Network, dead: str, when: str) -> None:
    pipeline = await network.pipeline(*LEGS, piece_tokens=4)
    await run_step(pipeline, 0, {"hidden": hidden()})
    if when == "between steps":
        network.kill(dead)
    async with asyncio.TaskGroup() as group:
        stepping = group.create_task(_unpacked(run_step(pipeline, 4, {"hidden": hidden(1, 150)})))
        await asyncio.sleep(0)
        if when == "during a step":
            network.kill(dead)
    error = stepping.result()
    assert isinstance(error, ServerLostError)
    assert error.peer == dead
    await end(pipeline)


async def _unpacked(step: Awaitable[Any]) -> MeadowError:
    try:
        await step
    except MeadowError as error:
        return error
    raise AssertionError("the step ended well")


async def test_a_link_that_dies_is_told_to_the_client(two: Two, network: Network) -> None:
    async with client_of(network, "first") as client, client_of(network, "second") as other:
        client.say(opening(start=0, end=3, next=SECOND))
        other.say(opening(start=3, end=6, session=SECOND.session))
        assert [type(await one.hear()) for one in (client, other)] == [Opened, Opened]
        client.say(step(0, hidden(), (SECOND,), epoch=1))
        await other.hear()
        other.hang_up()
        assert await client.hear() == Notice("next-lost", 1)


async def test_a_server_that_fails_in_the_middle_of_a_chain_is_the_one_that_is_blamed(
    two: Two, network: Network
) -> None:
    two[1].restart(pool=PagePool(PoolLimits(1)))
    pipeline = await network.pipeline(*LEGS)
    error = await _unpacked(run_step(pipeline, 0, {"hidden": hidden(1, 100)}))
    assert isinstance(error, ServerRefusedError | ServerLostError)
    assert error.peer == "second"
    await end(pipeline)


async def test_what_the_server_before_sends_is_not_kept_when_the_client_leaves(two: Two, network: Network) -> None:
    """More steps than a session takes at once wait on the way when it ends."""
    session = token_hex(16)
    two[1].restart(pool=PagePool(PoolLimits(2)))
    holder = Client(await network.open("second"))
    holder.say(opening(start=3, end=6), step(0, hidden(1, 32)))
    await holder.hear_all(2)
    async with client_of(network, "second") as client, client_of(network, "second") as before:
        client.say(opening(start=3, end=6, session=session))
        await client.hear()
        before.say(flat(Join(VERSION, session)), *(step(p, hidden(1, 1)) for p in range(40)))
        assert isinstance(await client.hear(), Queued)
        client.hang_up()
        await before.stream.reader.read()  # signs of life, and the end
    holder.hang_up()
