"""A session moves on from servers that leave on purpose: its caches go to others, and nothing is computed again.

Servers as in test_upkeep.py: "a1", "b1" and "c1" hold two layers each; "a2", "b2" and "c2" could take over. What such a
session gives is the same as if nothing had happened.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from fakes.conversations import (
    PROMPT,
    SCRIPTS,
    TOKENS,
    Faults,
    Script,
    close,
    counts,
    hidden,
    kill,
    live,
    text,
    undisturbed,
)
from fakes.leaving import Gate, leave, planned, the_same
from fakes.span_servers import Network, Served
from fakes.streams import flat
from meadow_client.models.description import describe
from meadow_client.session.inference import InferenceSession
from meadow_client.wire.messages import Leaving
from meadow_engine.runtime.caches import SessionCache
from meadow_engine.runtime.pool import PagePool, PoolLimits
from meadow_engine.runtime.span import LoadOptions, Span

pytestmark = pytest.mark.usefixtures("soon_quiet")

LEFT = [["a1"], ["b1"], ["c1"], ["a1", "b1"], ["b1", "c1"], ["a1", "c1"], ["a1", "b1", "c1"]]


@pytest.mark.parametrize("left", LEFT, ids="+".join)
async def test_servers_that_leave_between_two_steps_hand_over_what_they_have(swarm: Network, left: list[str]) -> None:
    expected = await undisturbed(swarm)
    served, before = dict(swarm.servers), counts(swarm)
    output, recoveries = await live(swarm.client(), text, {PROMPT + 2: leave(swarm, *left)})
    the_same(output, expected)
    assert sorted(planned(recoveries)) == [([name], [f"{name[0]}2"], True) for name in left]
    # Nobody computes anything again.
    computed = {name: served[name].server.counts.tokens - before[name] for name in served}
    assert {name: tokens for name, tokens in computed.items() if tokens} == {
        **{f"{name}1": PROMPT + 2 if f"{name}1" in left else TOKENS for name in "abc"},
        **{f"{name[0]}2": TOKENS - PROMPT - 2 for name in left},
    }


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.__name__)
@pytest.mark.parametrize("peer", ["a1", "b1", "c1"])
async def test_whatever_a_session_has_moves_while_it_is_idle(swarm: Network, peer: str, script: Script) -> None:
    expected = await undisturbed(swarm, script)
    output, recoveries = await live(swarm.client(), script, {PROMPT + 1: leave(swarm, peer)})
    the_same(output, expected)
    assert planned(recoveries) == [([peer], [f"{peer[0]}2"], True)]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.__name__)
@pytest.mark.parametrize("when", ["reading", "sending"])
async def test_whatever_happens_to_a_cache_while_it_is_copied_happens_to_the_copy(
    swarm: Network, gates: dict[str, Gate], when: str, script: Script
) -> None:
    """Two steps (and what is taken back, and rows that change places) lie between two parts of the hand-over."""
    expected = await undisturbed(swarm, script)
    gate, other = gates[when], gates["sending" if when == "reading" else "reading"]
    other.open()
    leaving: list[asyncio.Task[None]] = []

    def begin() -> Any:
        leaving.append(swarm.leave("b1"))
        return gate.reached()

    faults = {PROMPT: begin, PROMPT + 2: lambda: (gate.open(), leaving[0])[1]}
    output, recoveries = await live(swarm.client(), script, faults)
    the_same(output, expected)
    assert planned(recoveries) == [(["b1"], ["b2"], True)]


async def test_a_cache_may_be_shorter_when_it_is_read_than_when_it_was_asked_for(
    swarm: Network, gates: dict[str, Gate]
) -> None:
    expected = await undisturbed(swarm)
    gates["sending"].open()
    leaving: list[asyncio.Task[None]] = []

    def script(session: InferenceSession, faults: Faults) -> torch.Tensor:
        entering = hidden()
        outputs = [session.step(entering[:, :PROMPT])]
        session.step(hidden(tokens=9, seed=3))
        faults[0]()
        session.position = PROMPT
        outputs.append(session.step(entering[:, PROMPT : PROMPT + 1]))
        faults[1]()
        outputs.append(session.step(entering[:, PROMPT + 1 :]))
        return torch.cat(outputs, dim=1)

    def begin() -> Any:
        leaving.append(swarm.leave("b1"))
        return gates["reading"].reached()

    output, recoveries = await live(
        swarm.client(), script, {0: begin, 1: lambda: (gates["reading"].open(), leaving[0])[1]}
    )
    close(output, expected)
    assert planned(recoveries) == [(["b1"], ["b2"], True)]


def text_in_two_prompts(session: InferenceSession, faults: Faults) -> torch.Tensor:
    entering, outputs = hidden(tokens=TOKENS), []
    for first, last in [(0, 16), (16, PROMPT), *((position, position + 1) for position in range(PROMPT, TOKENS))]:
        outputs.append(session.step(entering[:, first:last]))
        faults.get(last, lambda: None)()
    return torch.cat(outputs, dim=1)


@pytest.mark.parametrize("watched", ["a1", "b1", "c1"])
@pytest.mark.parametrize("left", ["a1", "b1", "c1"])
async def test_a_copy_is_made_while_a_step_is_under_way(swarm: Network, left: str, watched: str) -> None:
    client = swarm.client(piece_tokens=4)
    expected, _ = await live(client, text_in_two_prompts)
    await swarm.quiet()
    leaving: list[asyncio.Task[None]] = []
    swarm.servers[watched].after(24, lambda: leaving.append(swarm.leave(left)))
    output, recoveries = await live(client, text_in_two_prompts, {PROMPT: lambda: leaving[0]})
    the_same(output, expected)
    assert planned(recoveries) == [([left], [f"{left[0]}2"], True)]


def keys_and_values(served: Served) -> list[torch.Tensor]:
    """What the one session's cache holds of the tokens before a hand-over."""
    (session,) = served.server._sessions.values()
    cache = session.state._cache
    assert isinstance(cache, SessionCache)
    assert session.account.pages == session.state._capacity // 16
    assert {layer.length for layer in cache.layers} == {TOKENS}
    return [kept[:, :, : PROMPT + 3].clone() for layer in cache.layers for kept in (layer.keys, layer.values)]


async def test_the_successors_cache_is_the_same_to_the_last_bit(swarm: Network) -> None:
    found: list[list[torch.Tensor]] = []
    for holder, faults in (("b1", {}), ("b2", {PROMPT + 3: leave(swarm, "b1")})):
        served = swarm.servers[holder]

        def script(session: InferenceSession, faults: Faults, served: Served = served) -> torch.Tensor:
            output = text(session, faults)
            found.append(keys_and_values(served))
            return output

        await live(swarm.client(), script, dict(faults))
        await swarm.quiet()
    assert [kept.shape for kept in found[0]] == [(1, 2, PROMPT + 3, 16)] * 4
    assert all(torch.equal(mine, other) for mine, other in zip(*found, strict=True))


async def test_one_server_hands_over_all_its_sessions_while_they_go_on(swarm: Network) -> None:
    expected = {script: await undisturbed(swarm, script) for script in SCRIPTS}
    first = swarm.servers["b1"]
    leaving: list[asyncio.Task[None]] = []
    first.after(4 * PROMPT, lambda: leaving.append(swarm.leave("b1")))
    lives = await asyncio.gather(*(live(swarm.client(), script) for script in SCRIPTS))
    await leaving[0]
    for script, (output, recoveries) in zip(SCRIPTS, lives, strict=True):
        close(output, expected[script])
        assert planned(recoveries) in ([], [(["b1"], ["b2"], True)])  # a session may have been over, or not begun
    assert sum(len(recoveries) for _output, recoveries in lives) >= 2


async def test_successors_that_leave_themselves_hand_over_again(swarm: Network) -> None:
    expected = await undisturbed(swarm)
    faults = {PROMPT + index: leave(swarm, name) for index, name in enumerate(["b1", "a1", "b2", "a2"])}
    output, recoveries = await live(swarm.client(), text, faults)
    the_same(output, expected)
    assert planned(recoveries) == [
        (["b1"], ["b2"], True),
        (["a1"], ["a2"], True),
        (["b2"], ["b3"], True),
        (["a2"], ["a3"], True),
    ]


async def test_a_successor_that_leaves_before_it_has_taken_over_hands_over_again(
    swarm: Network, gates: dict[str, Gate]
) -> None:
    expected = await undisturbed(swarm)
    gates["reading"].open()

    async def fault() -> None:
        leaving = [swarm.leave("b1")]
        await gates["sending"].reached()
        leaving.append(swarm.leave("b2"))
        await asyncio.sleep(0.05)
        gates["sending"].open()
        await asyncio.gather(*leaving)

    output, recoveries = await live(swarm.client(), text, {PROMPT + 2: fault})
    the_same(output, expected)
    assert planned(recoveries) == [(["b1"], ["b2"], True), (["b2"], ["b3"], True)]


async def test_a_server_that_leaves_before_the_first_step_is_done_is_replaced(swarm: Network) -> None:
    expected = await undisturbed(swarm)
    leaving: list[asyncio.Task[None]] = []
    swarm.servers["b1"].after(8, lambda: leaving.append(swarm.leave("b1")))
    output, recoveries = await live(swarm.client(piece_tokens=8), text, {PROMPT: lambda: leaving[0]})
    close(output, expected)
    assert planned(recoveries) == [(["b1"], ["b2"], True)]


@pytest.mark.parametrize("left", ["a1", "b1"])
async def test_steps_go_straight_through_after_a_hand_over(swarm: Network, left: str) -> None:
    trips: list[int] = []

    def script(session: InferenceSession, faults: Faults) -> torch.Tensor:
        output = text(session, faults)
        trips.append(session.trips)
        return output

    await live(swarm.client(), script, {PROMPT + 2: leave(swarm, left)})
    assert trips == [1]


async def test_a_successor_that_the_server_before_does_not_reach_is_reached_through_the_client(swarm: Network) -> None:
    expected = await undisturbed(swarm)
    swarm.separate("a1", "b2")
    output, recoveries = await live(swarm.client(), text, {PROMPT + 2: leave(swarm, "b1")})
    the_same(output, expected)
    assert planned(recoveries) == [(["b1"], ["b2"], True)]


async def test_servers_that_may_not_be_linked_hand_over_all_the_same(swarm: Network) -> None:
    client = swarm.client(link_servers=False)
    expected = await undisturbed(swarm)
    output, recoveries = await live(client, text, {PROMPT + 2: leave(swarm, "b1", "c1")})
    the_same(output, expected)
    assert sorted(planned(recoveries)) == [(["b1"], ["b2"], True), (["c1"], ["c2"], True)]


async def test_a_cache_in_host_memory_is_handed_over_too(swarm: Network) -> None:
    expected = await undisturbed(swarm)
    swarm.servers["b1"].restart(pool=PagePool(PoolLimits(8, host_pages=8)))

    async def fault() -> None:
        (session,) = swarm.servers["b1"].server._sessions.values()
        await session.move_out()
        assert session.state.is_away
        assert session.account.pages == 0
        await swarm.leave("b1")

    output, recoveries = await live(swarm.client(), text, {PROMPT + 2: fault})
    the_same(output, expected)
    assert planned(recoveries) == [(["b1"], ["b2"], True)]


async def test_a_server_that_says_again_and_again_that_it_leaves_is_replaced_once(swarm: Network) -> None:
    expected = await undisturbed(swarm)

    async def fault() -> None:
        for _ in range(5):
            for stream in swarm.streams["b1"]:
                stream.writer.write(flat(Leaving(20.0)))
        await asyncio.sleep(0.1)

    output, recoveries = await live(swarm.client(), text, {PROMPT + 2: fault})
    the_same(output, expected)
    assert planned(recoveries) == [(["b1"], ["b2"], True)]


async def test_a_cache_is_converted_for_a_successor_of_another_dtype(
    swarm: Network, tiny_model: Callable[[str], Path]
) -> None:
    expected = await undisturbed(swarm)
    kill(swarm, "b1", "b2", "b3")()
    swarm.announced = [server for server in swarm.announced if server.peer[0] != "b"]
    compute = swarm.servers["a1"].compute
    description, cpu = describe(str(tiny_model("llama"))), torch.device("cpu")
    half, whole = (Span.load(description, 2, 4, cpu, LoadOptions(dtype)) for dtype in ("bfloat16", "float32"))
    Served("half", half, compute, swarm, token_s=0.01)
    Served("whole", whole, compute, swarm, token_s=0.02)
    output, recoveries = await live(swarm.client(), text, {PROMPT + 2: leave(swarm, "half")})
    assert planned(recoveries) == [(["half"], ["whole"], True)]
    scale = expected.abs().max()
    assert (output - expected).abs().max() < 0.2 * scale
    after = (output - expected)[:, PROMPT + 2 :].abs().mean() / expected.abs().mean()
    assert after < 0.05
