"""Servers that live, or stand in line for memory, are waited for; those that are silent are not."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fakes.pipelines import NAMES, WIDTH, hidden, servers, settle, stepping
from fakes.streams import flat
from fakes.virtual_time import in_virtual_time
from meadow_client.errors import ServerLostError, ServerRefusedError
from meadow_client.session.pipeline import PipelineOptions
from meadow_client.wire.messages import Failure, Queued

PATIENT = PipelineOptions(request_timeout_s=10, silence_s=1000)


@in_virtual_time
async def test_a_place_in_line_is_told_and_waited_for() -> None:
    async with servers(2, PATIENT) as swarm:
        loop = asyncio.get_running_loop()
        began = loop.time()
        async with stepping(swarm.step(0, {"hidden": hidden()})) as step:
            await swarm.take()
            await asyncio.sleep(9)
            swarm.say(0, flat(Queued(2, 60.0)))
            await asyncio.sleep(65)
            assert not step.done()
            swarm.answer(1, 0, hidden())
        assert step.exception() is None
        assert loop.time() - began == pytest.approx(74)
        assert [(member.name, queued.place) for member, queued in swarm.told] == [("first's", 2)]


@in_virtual_time
async def test_every_part_of_an_answer_is_a_sign_of_life() -> None:
    async with servers(1, PATIENT) as swarm:
        async with stepping(swarm.step(0, {"hidden": hidden(1, 3)})) as step:
            for position in range(3):
                await asyncio.sleep(9)
                swarm.answer(0, position, hidden())
        assert step.result().shape == (1, 3, WIDTH)


@in_virtual_time
async def test_a_chain_of_living_servers_that_do_not_answer_is_lost_after_the_timeout() -> None:
    async with servers(2, PipelineOptions(request_timeout_s=10)) as swarm:
        loop = asyncio.get_running_loop()
        began = loop.time()
        async with asyncio.TaskGroup() as group:
            alive = group.create_task(swarm.stay_alive())
            with pytest.raises(ServerLostError, match="did not answer within 10 s") as caught:
                await swarm.step(0, {"hidden": hidden()})
            alive.cancel()
        assert caught.value.peer == "second"
        assert loop.time() - began == pytest.approx(10, abs=0.3)


@in_virtual_time
async def test_a_server_that_answers_pings_is_waited_for() -> None:
    async with servers(2) as swarm:
        async with (
            asyncio.TaskGroup() as group,
            stepping(swarm.step(0, {"hidden": hidden()})) as step,
        ):
            alive = group.create_task(swarm.stay_alive())
            await asyncio.sleep(170)
            assert not step.done()
            alive.cancel()
            swarm.answer(1, 0, hidden())
        assert step.exception() is None


@pytest.mark.parametrize("silent", [0, 1])
@in_virtual_time
async def test_a_server_that_does_not_answer_a_ping_is_lost(silent: int) -> None:
    async with servers(2, PipelineOptions(silence_s=1.0)) as swarm:
        loop = asyncio.get_running_loop()
        began = loop.time()
        async with asyncio.TaskGroup() as group:
            alive = group.create_task(swarm.stay_alive([1 - silent]))
            with pytest.raises(ServerLostError, match="is silent") as caught:
                await swarm.step(0, {"hidden": hidden()})
            alive.cancel()
        assert caught.value.peer == NAMES[silent]
        assert [hop.failed is None for hop in swarm.pipeline.hops] == [silent != 0, silent != 1]
        assert 1.0 < loop.time() - began < 2.5


@in_virtual_time
async def test_a_loop_that_was_held_up_itself_blames_nobody() -> None:
    async with servers(2, PipelineOptions(request_timeout_s=10)) as swarm:
        loop: Any = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as group, stepping(swarm.step(0, {"hidden": hidden()})) as step:
            alive = group.create_task(swarm.stay_alive())
            for _ in range(3):
                await asyncio.sleep(0.4)  # somebody was asked and has not answered yet
                loop._skipping.skipped += 60
            await asyncio.sleep(5)
            assert not step.done(), step.exception()
            alive.cancel()
            swarm.answer(1, 0, hidden())
        assert step.exception() is None


@in_virtual_time
async def test_a_server_that_speaks_of_a_line_between_two_steps_is_heard_on() -> None:
    async with servers(2) as swarm:
        async with stepping(swarm.step(0, {"hidden": hidden()})) as step:
            await swarm.take()
            swarm.answer(1, 0, hidden())
        assert step.exception() is None
        swarm.say(0, flat(Queued(1, 5.0)))  # it may come later than the last server's answer
        await settle()
        swarm.say(0, flat(Failure("failed")))
        await settle()
        with pytest.raises(ServerRefusedError):
            await swarm.step(1, {"hidden": hidden()})
        assert len(swarm.told) == 1
