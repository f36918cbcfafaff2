"""A session outlives its servers: whoever is lost, its outputs are those of a session that nothing happened to.

Three servers hold a tiny model's six layers, "a1", "b1" and "c1", two each; "a2", "b2" and "c2" could take over. They
are real, but for the streams between them.
"""

from __future__ import annotations

import asyncio
import threading

import pytest
import torch

from fakes.conversations import (
    PROMPT,
    SCRIPTS,
    TOKENS,
    Faults,
    Script,
    beams,
    close,
    counts,
    hidden,
    kill,
    live,
    names,
    padded_texts,
    text,
    undisturbed,
)
from fakes.span_servers import Network
from fakes.streams import flat
from meadow_client.errors import LayersMissingError, ServerLostError
from meadow_client.session import segment
from meadow_client.session.inference import InferenceSession
from meadow_client.wire.messages import Notice, Pong, Result
from meadow_engine.serving.span_server import ServingLimits

LAYERS = ("a", "b", "c")

LOST = [["a1"], ["b1"], ["c1"], ["a1", "b1"], ["b1", "c1"], ["a1", "c1"], ["a1", "b1", "c1"]]


@pytest.mark.parametrize("lost", LOST, ids="+".join)
async def test_servers_that_are_lost_between_two_steps_are_replaced(swarm: Network, lost: list[str]) -> None:
    expected = await undisturbed(swarm)
    served = dict(swarm.servers)
    before = counts(swarm)
    output, recoveries = await live(swarm.client(), text, {PROMPT + 2: kill(swarm, *lost)})
    close(output, expected)
    (recovery,) = recoveries
    instead = [f"{name[0]}2" for name in lost]
    assert names(recovery) == (lost, instead)
    assert recovery.is_from_history == ("a1" in lost)
    assert recovery.seconds > 0
    # Nobody who is left computes anything again.
    computed = {name: served[name].server.counts.tokens - before[name] for name in served}
    assert computed == {
        **{f"{name}{number}": 0 for name in LAYERS for number in (1, 2, 3)},
        **{f"{name}1": PROMPT + 2 if f"{name}1" in lost else TOKENS for name in LAYERS},
        **{name: TOKENS for name in instead},
    }


@pytest.mark.parametrize("script", SCRIPTS[1:], ids=lambda script: script.__name__)
@pytest.mark.parametrize("lost", LOST[:3], ids="+".join)
async def test_whatever_a_session_has_is_restored(swarm: Network, lost: list[str], script: Script) -> None:
    expected = await undisturbed(swarm, script)
    output, recoveries = await live(swarm.client(), script, {PROMPT + 1: kill(swarm, *lost)})
    close(output, expected)
    assert [names(recovery)[0] for recovery in recoveries] == [lost]
    assert recoveries[0].is_from_history == ("a1" in lost)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.__name__)
@pytest.mark.parametrize("why", ["not asked for", "evicted"])
@pytest.mark.parametrize("lost", [["b1"], ["c1"]], ids="+".join)
async def test_what_nobody_retained_comes_from_the_history(
    swarm: Network, lost: list[str], why: str, script: Script
) -> None:
    expected = await undisturbed(swarm, script)
    if why == "evicted":
        for name in ("a1", "b1"):
            swarm.servers[name].restart(ServingLimits(retained_bytes=0))
    client = swarm.client(retain=why == "evicted")
    output, recoveries = await live(client, script, {PROMPT + 1: kill(swarm, *lost)})
    close(output, expected)
    assert [(*names(recovery), recovery.is_from_history) for recovery in recoveries] == [
        (lost, [f"{name[0]}2" for name in lost], True)
    ]


@pytest.mark.parametrize("script", [text, padded_texts, beams], ids=lambda script: script.__name__)
@pytest.mark.parametrize("lost", [["a1"], ["b1"], ["c1"], ["b1", "c1"]], ids="+".join)
@pytest.mark.parametrize("watched", ["a1", "c1"])
async def test_servers_that_are_lost_in_the_middle_of_a_prompt_are_replaced(
    swarm: Network, lost: list[str], watched: str, script: Script
) -> None:
    expected = await undisturbed(swarm, script)
    rows = {text: 1, padded_texts: 2, beams: 3}[script]
    swarm.servers[watched].after(rows * 17, kill(swarm, *lost))
    output, recoveries = await live(swarm.client(piece_tokens=4), script)
    close(output, expected)
    assert [names(recovery)[0] for recovery in recoveries] == [lost]


@pytest.mark.parametrize("lost", ["a1", "b1", "c1"])
@pytest.mark.parametrize("when", ["a1", "b1", "c1"])
async def test_a_reordering_that_broke_off_is_taken_once_by_everybody(swarm: Network, lost: str, when: str) -> None:
    """The server dies when `when` has just taken the rows in their new order."""
    expected = await undisturbed(swarm, beams)
    server = swarm.servers[when]
    output, recoveries = await live(swarm.client(), beams, {PROMPT + 1: lambda: server.after(3, kill(swarm, lost))})
    close(output, expected)
    assert [names(recovery)[0] for recovery in recoveries] == [[lost]]


async def test_a_server_that_hangs_up_right_after_its_answer_is_not_to_blame(swarm: Network) -> None:
    expected = await undisturbed(swarm)
    client = swarm.client()
    last = swarm.servers["c1"]

    def fault() -> None:
        _end_streams(swarm, "c1")

    output, recoveries = await live(client, text, {PROMPT + 2: lambda: last.after(1, fault)})
    close(output, expected)
    assert [names(recovery) for recovery in recoveries] == [(["c1"], ["c1"])]
    assert client._bans._failures == {}


@pytest.mark.parametrize("lost", ["a1", "b1", "c1"])
async def test_steps_go_straight_through_again_after_a_server_was_replaced(swarm: Network, lost: str) -> None:
    trips: list[int] = []

    def script(session: InferenceSession, faults: Faults) -> torch.Tensor:
        output = text(session, faults)
        trips.append(session.trips)
        return output

    expected = await undisturbed(swarm, script)
    close((await live(swarm.client(), script, {PROMPT + 2: kill(swarm, lost)}))[0], expected)
    assert trips == [1, 1]


async def test_a_replacement_that_dies_while_it_is_filled_is_replaced_itself(
    swarm: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segment, "_RESENT_TOKENS", 8)
    expected = await undisturbed(swarm)
    client = swarm.client()
    swarm.servers["b2"].after(9, kill(swarm, "b2"))
    output, recoveries = await live(client, text, {PROMPT + 2: kill(swarm, "b1")})
    close(output, expected)
    assert [names(recovery) for recovery in recoveries] == [(["b1", "b2"], ["b3"])]


@pytest.mark.parametrize("second", ["a1", "b2", "c1"])
async def test_another_loss_while_all_begin_again_is_survived(swarm: Network, second: str) -> None:
    """Those that are left have lost what they had when the second one goes."""
    expected = await undisturbed(swarm)
    for name in ("a1", "a2"):
        swarm.servers[name].restart(ServingLimits(retained_bytes=0))
    first = swarm.servers["a1"]

    def fault() -> None:
        swarm.kill("b1")
        first.after(8, kill(swarm, second))

    output, recoveries = await live(swarm.client(piece_tokens=4), text, {PROMPT + 2: fault})
    close(output, expected)
    assert [sorted(names(recovery)[0]) for recovery in recoveries] == [sorted(["b1", second])]


async def test_one_loss_after_the_other_is_survived(swarm: Network) -> None:
    expected = await undisturbed(swarm)
    faults = {PROMPT + index: kill(swarm, name) for index, name in enumerate(["a1", "b1", "c1", "b2", "a2", "c2"])}
    output, recoveries = await live(swarm.client(), text, faults)
    close(output, expected)
    assert [names(recovery) for recovery in recoveries] == [
        (["a1"], ["a2"]),
        (["b1"], ["b2"]),
        (["c1"], ["c2"]),
        (["b2"], ["b3"]),
        (["a2"], ["a3"]),
        (["c2"], ["c3"]),
    ]


async def test_a_chain_that_fails_again_and_again_is_given_up_with_the_reason(swarm: Network) -> None:
    def fail_always(name: str) -> None:
        def fail() -> None:
            _end_streams(swarm, name)
            fail_always(name)

        swarm.servers[name].after(1, fail)

    for number in (1, 2, 3):
        fail_always(f"b{number}")
    with pytest.raises((ServerLostError, LayersMissingError)):
        await live(swarm.client(max_retries=2, connect_timeout_s=0.5))


def _end_streams(swarm: Network, name: str) -> None:
    for stream in swarm.streams.get(name, []):
        stream.writer.close()


async def test_layers_that_nobody_holds_any_more_end_the_session(swarm: Network) -> None:
    with pytest.raises(LayersMissingError):
        await live(swarm.client(connect_timeout_s=0.2), text, {PROMPT + 1: kill(swarm, "b1", "b2", "b3")})


async def test_a_loss_that_is_noticed_while_nothing_is_asked_bans_nobody(swarm: Network) -> None:
    """The client's own network may have been away."""
    expected = await undisturbed(swarm)
    client = swarm.client()

    def fault() -> None:
        for name in swarm.servers:
            _end_streams(swarm, name)

    output, recoveries = await live(client, text, {PROMPT + 2: fault})
    close(output, expected)
    assert [names(recovery) for recovery in recoveries] == [(["a1", "b1", "c1"],) * 2]
    assert client._bans._failures == {}


@pytest.mark.parametrize("peer", ["a1", "b1", "c1"])
async def test_a_server_that_stands_still_is_replaced_after_its_silence(swarm: Network, peer: str) -> None:
    expected = await undisturbed(swarm)
    loop = asyncio.get_running_loop()
    began = 0.0

    def hang() -> None:
        nonlocal began
        began = loop.time()
        swarm.hang(peer)

    output, recoveries = await live(swarm.client(silence_s=0.3), text, {PROMPT + 2: hang})
    close(output, expected)
    assert [names(recovery) for recovery in recoveries] == [([peer], [f"{peer[0]}2"])]
    assert 0.3 < loop.time() - began < 5


async def test_a_server_that_computes_for_long_and_answers_pings_is_waited_for(swarm: Network) -> None:
    expected = await undisturbed(swarm)
    may_go_on = threading.Event()
    loop = asyncio.get_running_loop()

    def compute_for_long() -> None:
        swarm.servers["b1"].compute.submit(lambda: may_go_on.wait(20), lambda *_anything: None)
        loop.call_later(1.5, may_go_on.set)

    output, recoveries = await live(swarm.client(silence_s=0.3), text, {PROMPT + 2: compute_for_long})
    close(output, expected)
    assert may_go_on.is_set()
    assert recoveries == []


async def test_servers_that_lose_sight_of_each_other_go_on_through_the_client(swarm: Network) -> None:
    expected = await undisturbed(swarm)
    client = swarm.client()
    before = counts(swarm)
    trips: list[int] = []

    def script(session: InferenceSession, faults: Faults) -> torch.Tensor:
        output = text(session, faults)
        trips.append(session.trips)
        return output

    output, recoveries = await live(client, script, {PROMPT + 2: lambda: swarm.separate("a1", "b1")})
    close(output, expected)
    assert trips == [2]
    assert recoveries == []  # nobody was lost
    assert client._bans._failures == {}
    assert {name: after - before[name] for name, after in counts(swarm).items() if after != before[name]} == {
        "a1": TOKENS,
        "b1": TOKENS,
        "c1": TOKENS,
    }


async def test_a_replacement_that_the_server_before_does_not_reach_is_filled_by_the_client(swarm: Network) -> None:
    expected = await undisturbed(swarm)
    swarm.separate("a1", "b2")
    output, recoveries = await live(swarm.client(), text, {PROMPT + 2: kill(swarm, "b1")})
    close(output, expected)
    assert [(*names(recovery), recovery.is_from_history) for recovery in recoveries] == [(["b1"], ["b2"], True)]


async def test_servers_that_may_not_be_linked_are_replaced_from_the_history(swarm: Network) -> None:
    expected = await undisturbed(swarm)
    output, recoveries = await live(swarm.client(link_servers=False), text, {PROMPT + 2: kill(swarm, "b1")})
    close(output, expected)
    assert [(*names(recovery), recovery.is_from_history) for recovery in recoveries] == [(["b1"], ["b2"], True)]


async def test_a_server_that_lies_is_replaced(swarm: Network) -> None:
    expected = await undisturbed(swarm)

    def lie() -> None:
        for stream in swarm.streams["b1"]:
            stream.writer.write(flat(Result((), (), 3, 1, 1), hidden=hidden(1, 1)))

    output, recoveries = await live(swarm.client(), text, {PROMPT + 2: lambda: swarm.servers["a1"].after(1, lie)})
    close(output, expected)
    assert [names(recovery) for recovery in recoveries] == [(["b1"], ["b2"])]


async def test_signs_of_life_and_old_notices_change_nothing(swarm: Network) -> None:
    expected = await undisturbed(swarm)

    def say() -> None:
        for streams in swarm.streams.values():
            streams[-1].writer.write(flat(Pong()) + flat(Notice("next-lost", 0)))

    output, recoveries = await live(swarm.client(), text, {PROMPT + 1: say})
    close(output, expected)
    assert recoveries == []
