"""Hand-overs that come to nothing, whoever spoils them: the session goes on as it does after a loss."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fakes.conversations import PROMPT, SCRIPTS, TOKENS, Script, close, kill, live, text, undisturbed
from fakes.leaving import Gate, leave, planned, the_same
from fakes.span_servers import Network
from meadow_client.errors import LayersMissingError
from meadow_engine.runtime.pool import PagePool, PoolLimits
from meadow_engine.runtime.requests import SessionState
from meadow_engine.serving.sessions import ServerSession

pytestmark = pytest.mark.usefixtures("soon_quiet")


async def test_whom_nobody_replaces_stays_as_long_as_steps_come(swarm: Network) -> None:
    expected = await undisturbed(swarm)
    kill(swarm, "b2", "b3")()
    leaving: list[asyncio.Task[None]] = []
    output, recoveries = await live(
        swarm.client(), text, {PROMPT + 1: lambda: leaving.append(swarm.leave("b1")), PROMPT + 4: lambda: None}
    )
    the_same(output, expected)
    assert recoveries == []
    await leaving[0]


async def test_whom_nobody_replaces_goes_when_all_is_quiet(swarm: Network) -> None:
    kill(swarm, "b2", "b3")()
    loop = asyncio.get_running_loop()
    began = loop.time()
    with pytest.raises(LayersMissingError):
        await live(swarm.client(connect_timeout_s=0.2), text, {PROMPT + 1: leave(swarm, "b1")})
    assert loop.time() - began < 5


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.__name__)
async def test_a_successor_that_dies_while_it_is_filled_is_none(
    swarm: Network, gates: dict[str, Gate], script: Script
) -> None:
    expected = await undisturbed(swarm, script)
    gates["reading"].open()

    async def fault() -> None:
        leaving = swarm.leave("b1")
        await gates["sending"].reached()
        swarm.kill("b2")
        gates["sending"].open()
        await leaving

    output, recoveries = await live(swarm.client(), script, {PROMPT + 1: fault})
    close(output, expected)
    assert planned(recoveries) == [(["b1"], ["b3"], False)]


async def test_a_successor_that_stands_still_while_it_is_filled_is_none(swarm: Network, gates: dict[str, Gate]) -> None:
    """Neither the session nor the one that leaves waits for it until the end of its time."""
    expected = await undisturbed(swarm)
    gates["reading"].open()
    loop = asyncio.get_running_loop()
    seconds: list[float] = []

    async def fault() -> None:
        began_s = loop.time()
        leaving = swarm.leave("b1")
        await gates["sending"].reached()
        swarm.hang("b2")
        gates["sending"].open()
        await leaving
        seconds.append(loop.time() - began_s)
        swarm.kill("b2")

    output, recoveries = await live(swarm.client(silence_s=0.3), text, {PROMPT + 1: fault})
    close(output, expected)
    assert planned(recoveries) == [(["b1"], ["b3"], False)]
    assert 0.3 < seconds[0] < 5


@pytest.mark.parametrize("when", ["reading", "sending"])
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.__name__)
async def test_a_server_that_dies_while_it_hands_over_is_lost(
    swarm: Network, gates: dict[str, Gate], when: str, script: Script
) -> None:
    expected = await undisturbed(swarm, script)
    gates["sending" if when == "reading" else "reading"].open()

    async def fault() -> None:
        swarm.leave("b1")
        await gates[when].reached()
        swarm.kill("b1")
        gates[when].open()

    output, recoveries = await live(swarm.client(), script, {PROMPT + 1: fault})
    close(output, expected)
    assert planned(recoveries) == [(["b1"], ["b2"], False)]


async def test_another_server_that_dies_during_a_hand_over_is_replaced(swarm: Network, gates: dict[str, Gate]) -> None:
    expected = await undisturbed(swarm)
    gates["reading"].open()
    leaving: list[asyncio.Task[None]] = []

    async def fault() -> None:
        leaving.append(swarm.leave("b1"))
        await gates["sending"].reached()
        swarm.kill("c1")

    output, recoveries = await live(
        swarm.client(), text, {PROMPT + 1: fault, PROMPT + 3: lambda: (gates["sending"].open(), leaving[0])[1]}
    )
    close(output, expected)
    assert planned(recoveries)[0] == (["c1"], ["c2"], False)
    assert planned(recoveries)[1:] == [(["b1"], ["b2"], True)]


async def test_who_does_not_finish_in_time_is_lost(swarm: Network, gates: dict[str, Gate]) -> None:
    expected = await undisturbed(swarm)

    async def fault() -> None:
        await swarm.leave("b1", within_s=0.2)
        assert "b1" not in swarm.servers
        for gate in gates.values():
            gate.open()

    output, recoveries = await live(swarm.client(), text, {PROMPT + 1: fault})
    close(output, expected)
    assert planned(recoveries) == [(["b1"], ["b2"], False)]


async def test_a_session_that_is_closed_in_the_middle_of_a_hand_over_leaves_nothing_behind(
    swarm: Network, gates: dict[str, Gate]
) -> None:
    async def fault() -> None:
        swarm.leave("b1")
        await gates["sending"].reached()

    gates["reading"].open()
    await live(swarm.client(), text, {TOKENS - 1: fault})
    gates["sending"].open()


async def test_servers_that_lose_sight_of_each_other_do_not_wait_for_pages(
    swarm: Network, gates: dict[str, Gate], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both live on, but what one sends does not reach the other."""
    expected = await undisturbed(swarm)
    gates["sending"].open()
    swarm.separate("b1", "b2")
    gates["reading"].open()
    output, recoveries = await live(swarm.client(), text, {PROMPT + 1: leave(swarm, "b1")})
    close(output, expected)
    assert planned(recoveries) == [(["b1"], ["b2"], False)]


async def test_pages_that_are_lost_on_their_way_are_not_waited_for(
    swarm: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = await undisturbed(swarm)
    take_pages = ServerSession._take_pages

    async def lose(self: ServerSession, *anything: Any) -> None:
        swarm.separate("b1", "b2")
        await asyncio.Event().wait()

    monkeypatch.setattr(ServerSession, "_take_pages", lose)

    async def fault() -> None:
        async with asyncio.timeout(5):
            await swarm.leave("b1")
        monkeypatch.setattr(ServerSession, "_take_pages", take_pages)

    output, recoveries = await live(swarm.client(), text, {PROMPT + 1: fault})
    close(output, expected)
    assert planned(recoveries) == [(["b1"], ["b2"], False)]


@pytest.mark.parametrize("how", ["next to it", "far away"])
async def test_a_loss_behind_a_successor_comes_from_the_history(swarm: Network, how: str) -> None:
    """A successor retained nothing of what was computed before it came."""
    expected = await undisturbed(swarm)
    left, lost = ("b1", "c1") if how == "next to it" else ("a1", "c1")
    output, recoveries = await live(
        swarm.client(), text, {PROMPT + 1: leave(swarm, left), PROMPT + 3: kill(swarm, lost)}
    )
    close(output, expected)
    assert planned(recoveries) == [([left], [f"{left[0]}2"], True), ([lost], ["c2"], False)]
    assert recoveries[1].is_from_history == (how == "next to it")


async def test_a_successor_without_enough_memory_is_none(swarm: Network) -> None:
    expected = await undisturbed(swarm)
    swarm.servers["b2"].restart(pool=PagePool(PoolLimits(2)))
    output, recoveries = await live(swarm.client(), text, {PROMPT + 2: leave(swarm, "b1")})
    close(output, expected)
    assert planned(recoveries) == [(["b1", "b2"], ["b3"], False)]


async def test_a_cache_without_pages_is_not_handed_over(swarm: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = await undisturbed(swarm)
    monkeypatch.setattr(SessionState, "read_pages", lambda *_anything: [])
    output, recoveries = await live(swarm.client(), text, {PROMPT + 2: leave(swarm, "b1")})
    close(output, expected)
    assert planned(recoveries) == [(["b1"], ["b2"], False)]
