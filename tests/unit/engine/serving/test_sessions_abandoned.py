"""Clients leave in every way there is, and nothing of their sessions stays on any server."""

from __future__ import annotations

import asyncio
import gc
import random
from contextlib import suppress
from typing import Any

import pytest
import torch

from fakes.chain_of_two import LEGS, Two, close
from fakes.span_clients import hidden
from fakes.span_servers import Client, Network, Served, client_of, opening, run_step, step
from fakes.span_servers import close as end
from meadow_engine.runtime.pool import PagePool, PoolLimits
from meadow_engine.runtime.requests import SessionState


async def leave_after_open(client: Client, _rng: random.Random) -> None:
    client.say(opening())
    await client.hear()


async def leave_before_the_answer_to_the_opening(client: Client, _rng: random.Random) -> None:
    client.say(opening())


async def leave_after_steps(client: Client, _rng: random.Random) -> None:
    client.say(opening(), step(0, hidden(2, 20)), step(20, hidden(2, 1)))
    await client.hear_all(3)


async def leave_mid_step(client: Client, rng: random.Random) -> None:
    client.say(opening(), step(0, hidden(1, rng.randint(1, 50))))
    await client.hear()
    for _ in range(rng.randint(0, 30)):
        await asyncio.sleep(0)


async def leave_mid_prompt(client: Client, rng: random.Random) -> None:
    client.say(opening(), *(step(position, hidden(1, 8)) for position in range(0, 96, 8)))
    await client.hear_all(rng.randint(1, 6))


async def leave_in_a_frame(client: Client, rng: random.Random) -> None:
    frame = step(4, hidden(1, 3))
    client.say(opening(), step(0, hidden()), frame[: rng.randrange(1, len(frame))])
    await client.hear_all(2)


async def break_a_frame(client: Client, rng: random.Random) -> None:
    client.say(opening(), step(0, hidden()))
    await client.hear_all(rng.randint(1, 2))
    client.say(rng.choice([b"\xff" * 64, b"GET / HTTP/1.1\r\n\r\n", step(9, hidden()), opening(), bytes(40)]))
    await client.hear_all(9)


async def step_badly(client: Client, _rng: random.Random) -> None:
    client.say(opening(), step(0, hidden(2)), step(4, hidden(2, 1), beam_idx=torch.tensor([0, 5])))
    await client.hear_all(9)


async def ask_for_too_much(client: Client, _rng: random.Random) -> None:
    client.say(opening(), step(0, hidden(4, 180)))
    await client.hear_all(9)


async def stand_in_line(client: Client, rng: random.Random) -> None:
    client.say(opening(), step(0, hidden(4, 150)), step(150, hidden(4, 1)))
    await client.hear_all(rng.randint(1, 3))  # and `Queued` comes or does not, as others leave later or sooner


WAYS = [
    leave_after_open,
    leave_before_the_answer_to_the_opening,
    leave_after_steps,
    leave_mid_step,
    leave_mid_prompt,
    leave_in_a_frame,
    break_a_frame,
    step_badly,
    ask_for_too_much,
    stand_in_line,
]


async def abandon(network: Network, name: str, way: Any, rng: random.Random) -> None:
    client = Client(await network.open(name))
    with suppress(asyncio.IncompleteReadError):
        await way(client, rng)
    client.hang_up()


@pytest.mark.parametrize("at_once", [1, 8])
async def test_two_hundred_sessions_that_are_opened_and_abandoned_leave_nothing_behind(
    served: Served, network: Network, at_once: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("CRITICAL", "meadow_engine")  # pytest keeps what is logged, with all that it refers to
    rng = random.Random(at_once)
    served.restart(pool=PagePool(PoolLimits(40, 8, patience_s=0.2, spill_after_s=0.0)))
    for _ in range(200 // at_once):
        async with asyncio.TaskGroup() as group:
            for way in rng.sample(WAYS, at_once):
                group.create_task(abandon(network, "server", way, rng))
    await network.quiet()
    served.assert_is_free()
    assert await states_alive(served) == 0
    async with client_of(network, "server") as client:
        client.say(opening(), step(0, hidden()))
        close((await client.hear_all(2))[1], served.span.view(1, 5).forward(hidden()))


@pytest.mark.parametrize("seed", range(2))
async def test_clients_that_abandon_a_chain_end_their_session_on_every_server(
    two: Two, network: Network, seed: int
) -> None:
    rng = random.Random(seed)
    for _ in range(50):
        pipeline = await network.pipeline(*LEGS, piece_tokens=rng.choice([4, 64]), link=rng.random() < 0.8)
        stepping = asyncio.get_running_loop().create_task(
            run_step(pipeline, 0, {"hidden": hidden(1, rng.randint(1, 100))})
        )
        if rng.random() < 0.3:
            await stepping
        for _ in range(rng.randint(0, 60)):
            await asyncio.sleep(0)
        stepping.cancel()
        await asyncio.wait([stepping])
        await end(pipeline)
    await network.quiet()
    for one in two:
        one.assert_is_free()
    del pipeline, stepping
    assert await states_alive(*two) == 0


async def states_alive(*servers: Served) -> int:
    """How many sessions' caches are still held by anything, once the compute threads have let go of their last work."""
    for one in servers:
        await one.batcher.run_alone(int)
    gc.collect()
    return sum(type(found) is SessionState for found in gc.get_objects())
