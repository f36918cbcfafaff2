"""Servers that could not reach one another are asked again while a session goes on, and steps go straight through.

When that is, is in test_relinking_times.py; here a test moves the clock. Servers as in test_upkeep.py: "a1", "b1" and
"c1" hold two layers each. They lose sight of one another and find each other again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest
import torch

from fakes.clock import FakeClock
from fakes.conversations import (
    PROMPT,
    SCRIPTS,
    TOKENS,
    Fault,
    Faults,
    Script,
    close,
    counts,
    kill,
    live,
    names,
    text,
    undisturbed,
)
from fakes.leaving import Gate, leave, planned
from fakes.span_servers import Network
from fakes.streams import flat
from meadow_client.session import relinking
from meadow_client.session.inference import InferenceSession
from meadow_client.session.relinking import FIRST_S
from meadow_client.swarm.node import Stream
from meadow_client.wire.messages import Address, Notice
from meadow_engine.serving.sessions import ServerSession


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    """By which links are tried."""
    clock = FakeClock()
    monkeypatch.setattr(relinking, "_now", clock)
    return clock


class Calls(list[str]):
    """Whom "a1" called, in order. Calls to those in `held` come to nothing before the event there."""

    def __init__(self) -> None:
        self.came = asyncio.Event()
        self.held: dict[str, asyncio.Event] = {}


@pytest.fixture
def calls(swarm: Network, monkeypatch: pytest.MonkeyPatch) -> Calls:
    called = Calls()
    open_stream = swarm.open

    async def note(peer: str, protocol: str = "", opener: str = "") -> Stream:
        if opener == "a1":
            called.append(peer)
            called.came.set()
            if peer in called.held:
                await called.held[peer].wait()
        return await open_stream(peer, protocol, opener)

    monkeypatch.setattr(swarm, "open", note)
    return called


class Told:
    """Plays a script, and notes before every step how often the last one passed through the client.

    At a position of `awaited`, the script waits until it will be so often.
    """

    def __init__(self, script: Script = text, awaited: dict[int, int] | None = None) -> None:
        self._script, self._awaited = script, awaited or {}
        self.trips: dict[int, int] = {}

    def __call__(self, session: InferenceSession, faults: Faults) -> torch.Tensor:
        def before(position: int) -> Callable[[], None]:
            def look() -> None:
                faults.get(position, lambda: None)()
                until_s = time.monotonic() + 10
                while session.trips != self._awaited.get(position, session.trips):
                    assert time.monotonic() < until_s, f"a step still passes through the client {session.trips} times"
                    time.sleep(0.002)
                self.trips[position] = session.trips

            return look

        return self._script(session, {position: before(position) for position in range(PROMPT, TOKENS)})


def reunite(swarm: Network, clock: FakeClock, seconds: float = FIRST_S) -> Fault:
    """All servers reach one another again, and some time passes."""

    def fault() -> None:
        swarm.apart.clear()
        clock.advance(seconds)

    return fault


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.__name__)
async def test_servers_that_did_not_reach_one_another_at_the_opening_do_so_later(
    swarm: Network, clock: FakeClock, script: Script
) -> None:
    expected = await undisturbed(swarm, script)
    swarm.separate("a1", "b1")
    told = Told(script, {PROMPT: 2, PROMPT + 2: 1})
    output, recoveries = await live(swarm.client(), told, {PROMPT + 1: reunite(swarm, clock)})
    close(output, expected)
    assert set(list(told.trips.values())[2:]) == {1}
    assert recoveries == []


async def test_nothing_is_computed_again_for_it(swarm: Network, clock: FakeClock) -> None:
    expected = await undisturbed(swarm)
    before = counts(swarm)
    swarm.separate("a1", "b1")
    output, _recoveries = await live(swarm.client(), Told(awaited={PROMPT + 2: 1}), {PROMPT + 1: reunite(swarm, clock)})
    close(output, expected)
    assert {name: after - before[name] for name, after in counts(swarm).items() if after != before[name]} == {
        "a1": TOKENS,
        "b1": TOKENS,
        "c1": TOKENS,
    }


async def test_servers_that_lost_sight_of_each_other_on_the_way_find_each_other_again(
    swarm: Network, clock: FakeClock
) -> None:
    expected = await undisturbed(swarm)
    told = Told(awaited={PROMPT + 4: 1})
    faults: dict[int, Fault] = {PROMPT + 1: lambda: swarm.separate("b1", "c1"), PROMPT + 3: reunite(swarm, clock)}
    output, recoveries = await live(swarm.client(), told, faults)
    close(output, expected)
    assert list(told.trips.values()) == [1, 1, 2, 2, 1, 1]
    assert recoveries == []


async def test_all_that_are_found_again_at_the_same_time_count_together(swarm: Network, clock: FakeClock) -> None:
    expected = await undisturbed(swarm)
    swarm.separate("a1", "b1")
    swarm.separate("b1", "c1")
    told = Told(awaited={PROMPT + 2: 1})
    output, _recoveries = await live(swarm.client(), told, {PROMPT + 1: reunite(swarm, clock)})
    close(output, expected)
    assert list(told.trips.values()) == [3, 3, 1, 1, 1, 1]


async def test_who_still_does_not_reach_the_next_one_is_asked_less_and_less_often(
    swarm: Network, clock: FakeClock, calls: Calls
) -> None:
    expected = await undisturbed(swarm)
    calls.clear()
    swarm.separate("a1", "b1")
    called: list[int] = []

    def pass_time(seconds: float) -> Fault:
        async def fault() -> None:
            await asyncio.sleep(0.05)  # what was asked is answered
            called.append(len(calls))
            clock.advance(seconds)

        return fault

    told = Told()
    seconds = [FIRST_S, 2 * FIRST_S - 1, 1, 4 * FIRST_S - 1, 1, 0]
    faults = {PROMPT + index: pass_time(waited) for index, waited in enumerate(seconds)}
    output, recoveries = await live(swarm.client(), told, faults)
    close(output, expected)
    assert called == [1, 2, 2, 3, 3, 4]
    assert set(told.trips.values()) == {2}
    assert recoveries == []


async def test_a_link_that_breaks_again_at_once_is_left_alone_for_longer(
    swarm: Network, clock: FakeClock, calls: Calls
) -> None:
    expected = await undisturbed(swarm)
    swarm.separate("a1", "b1")
    told = Told(awaited={PROMPT + 1: 1, PROMPT + 5: 1})
    called: list[int] = []

    def pass_time(seconds: float) -> Fault:
        def fault() -> None:
            called.append(len(calls))
            reunite(swarm, clock, seconds)()

        return fault

    faults: dict[int, Fault] = {
        PROMPT: pass_time(FIRST_S),
        PROMPT + 2: lambda: swarm.separate("a1", "b1"),
        PROMPT + 3: pass_time(FIRST_S),
        PROMPT + 4: pass_time(FIRST_S),
    }
    output, recoveries = await live(swarm.client(), told, faults)
    close(output, expected)
    assert list(told.trips.values()) == [2, 1, 1, 2, 2, 1]
    assert called[2] == called[1]
    assert recoveries == []


async def test_a_session_that_is_not_used_asks_nobody(swarm: Network, clock: FakeClock, calls: Calls) -> None:
    swarm.separate("a1", "b1")
    before: list[int] = []

    async def fault() -> None:
        before.append(len(calls))
        reunite(swarm, clock, 1000)()
        await asyncio.sleep(0.1)
        before.append(len(calls))

    await live(swarm.client(), text, {PROMPT + 1: fault})
    assert before[0] == before[1] == len(calls) - 1


async def test_servers_that_may_not_be_linked_are_not_asked(swarm: Network, clock: FakeClock, calls: Calls) -> None:
    told = Told()
    await live(swarm.client(link_servers=False), told, {PROMPT + 1: reunite(swarm, clock, 1000)})
    assert calls == []
    assert set(told.trips.values()) == {3}


@pytest.fixture
def call_that_does_not_end(swarm: Network, clock: FakeClock, calls: Calls) -> Fault:
    """From now on "a1" calls "b1", and hears neither yes nor no."""

    def fault() -> None:
        calls.came.clear()
        calls.held["b1"] = asyncio.Event()
        reunite(swarm, clock)()

    return fault


async def asked(calls: Calls) -> None:
    """Wait for that call."""
    async with asyncio.timeout(10):
        await calls.came.wait()


async def test_steps_go_on_while_a_server_is_asked_and_a_session_may_end_then(
    swarm: Network, call_that_does_not_end: Fault, calls: Calls
) -> None:
    expected = await undisturbed(swarm)
    swarm.separate("a1", "b1")
    calls.clear()
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    output, recoveries = await live(swarm.client(), text, {PROMPT + 1: call_that_does_not_end})
    await swarm.quiet()
    assert loop.time() - began_s < 2
    close(output, expected)
    assert calls == ["b1", "b1"]
    assert recoveries == []


async def test_a_server_that_never_answers_is_not_asked_twice_at_once(
    swarm: Network, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = await undisturbed(swarm)
    questions: list[Address] = []

    async def say_nothing(_session: ServerSession, address: Address) -> None:
        questions.append(address)

    monkeypatch.setattr(ServerSession, "_reach", say_nothing)
    swarm.separate("a1", "b1")
    faults = {PROMPT + index: reunite(swarm, clock, 100) for index in range(6)}
    output, recoveries = await live(swarm.client(), text, faults)
    close(output, expected)
    assert [address.peer for address in questions] == ["b1"]
    assert recoveries == []


@pytest.mark.parametrize("lost", ["a1", "b1", "c1"])
async def test_a_server_that_is_lost_while_another_is_asked_is_replaced_at_once(
    swarm: Network, call_that_does_not_end: Fault, calls: Calls, lost: str
) -> None:
    expected = await undisturbed(swarm)
    swarm.separate("a1", "b1")

    async def fault() -> None:
        await asked(calls)
        kill(swarm, lost)()

    output, recoveries = await live(swarm.client(), text, {PROMPT + 1: call_that_does_not_end, PROMPT + 2: fault})
    close(output, expected)
    assert [names(recovery) for recovery in recoveries] == [([lost], [f"{lost[0]}2"])]
    assert recoveries[0].seconds < 2


async def test_what_a_server_says_of_a_chain_that_has_failed_meanwhile_does_not_count(
    swarm: Network, call_that_does_not_end: Fault, calls: Calls
) -> None:
    expected = await undisturbed(swarm)
    swarm.separate("a1", "b1")

    async def fault() -> None:
        await asked(calls)
        kill(swarm, "c1")()
        await asyncio.sleep(0.02)
        calls.held["b1"].set()
        await asyncio.sleep(0.02)

    told = Told()
    output, recoveries = await live(swarm.client(), told, {PROMPT + 1: call_that_does_not_end, PROMPT + 2: fault})
    close(output, expected)
    assert [names(recovery) for recovery in recoveries] == [(["c1"], ["c2"])]
    assert set(told.trips.values()) == {2}


async def test_an_old_notice_of_a_lost_link_does_not_undo_it(swarm: Network, clock: FakeClock) -> None:
    expected = await undisturbed(swarm)
    swarm.separate("a1", "b1")

    async def fault() -> None:
        swarm.streams["a1"][-1].writer.writelines([flat(Notice("next-lost", 1))])
        await asyncio.sleep(0.02)

    told = Told(awaited={PROMPT + 2: 1})
    output, recoveries = await live(swarm.client(), told, {PROMPT + 1: reunite(swarm, clock), PROMPT + 3: fault})
    close(output, expected)
    assert list(told.trips.values()) == [2, 2, 1, 1, 1, 1]
    assert recoveries == []


async def test_nobody_is_asked_while_a_server_hands_over(
    swarm: Network, clock: FakeClock, calls: Calls, gates: dict[str, Gate]
) -> None:
    expected = await undisturbed(swarm)
    swarm.separate("a1", "b1")
    gates["sending"].open()
    leaving: list[asyncio.Task[None]] = []

    async def begin() -> None:
        leaving.append(swarm.leave("b1"))
        await gates["reading"].reached()
        reunite(swarm, clock, 1000)()
        calls.clear()

    async def finish() -> None:
        await asyncio.sleep(0.02)
        assert calls == []
        gates["reading"].open()
        await leaving[0]

    output, recoveries = await live(swarm.client(), text, {PROMPT + 1: begin, PROMPT + 3: finish})
    close(output, expected)
    assert planned(recoveries) == [(["b1"], ["b2"], True)]


async def test_a_server_that_leaves_while_it_is_asked_for_hands_over(
    swarm: Network, clock: FakeClock, call_that_does_not_end: Fault, calls: Calls
) -> None:
    """And its successor is looked for in its turn."""
    expected = await undisturbed(swarm)
    swarm.separate("a1", "b1")

    async def fault() -> None:
        await asked(calls)
        waiting: Any = leave(swarm, "b1")()
        await waiting

    told = Told(awaited={PROMPT + 5: 1})
    faults: dict[int, Fault] = {
        PROMPT + 1: call_that_does_not_end,
        PROMPT + 2: fault,
        PROMPT + 4: reunite(swarm, clock),
    }
    output, recoveries = await live(swarm.client(), told, faults)
    close(output, expected)
    assert planned(recoveries) == [(["b1"], ["b2"], True)]
    assert list(told.trips.values()) == [2, 2, 2, 2, 2, 1]
