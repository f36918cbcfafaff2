"""A server that speaks while a session is open is heard in order; one that dies, lies or is silent is lost."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch

from fakes.far_server import PEER, SESSION, STRANGE_ANSWERS, opened_hop, result
from fakes.streams import flat
from fakes.virtual_time import in_virtual_time
from meadow_client.errors import MeadowError, ServerLostError, ServerRefusedError
from meadow_client.session.hop import Hop, probe
from meadow_client.session.tensors import to_wire
from meadow_client.wire.messages import (
    Address,
    Failure,
    Notice,
    Opened,
    Ping,
    Pong,
    Queued,
    Reach,
    Reached,
    Result,
    Step,
    Timing,
)


@dataclass
class Listener:
    """What a session's listener was told."""

    results: list[tuple[Result, Any, float]] = field(default_factory=list)
    queued: list[Queued] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    failures: list[MeadowError] = field(default_factory=list)
    has_failed: asyncio.Event = field(default_factory=asyncio.Event)

    async def listen(self, hop: Hop) -> None:
        """Hear a server until it fails."""
        hop.listen(self)
        async with asyncio.timeout(30):
            await self.has_failed.wait()
        assert hop.failed is self.failures[0]

    def on_result(self, _hop: Hop, *answer: Any) -> None:
        self.results.append(answer)

    def on_queued(self, _hop: Hop, queued: Queued) -> None:
        self.queued.append(queued)

    def on_notice(self, _hop: Hop, notice: Notice) -> None:
        self.notices.append(notice)

    def on_failed(self, _hop: Hop, error: MeadowError) -> None:
        self.failures.append(error)
        self.has_failed.set()


async def test_signs_of_life_and_notices_are_heard() -> None:
    node, hop = await opened_hop()
    hop.ping()
    assert (await node.sent())[0] == Ping()
    assert hop.pinged_s is not None
    node.say(flat(Pong()) + flat(Notice("next-lost", 3)), ends=True)
    listener = Listener()
    await listener.listen(hop)
    assert hop.pinged_s is None
    assert listener.notices == [Notice("next-lost", 3)]


async def test_who_listens_to_a_server_that_failed_before_hears_it_at_once() -> None:
    node, hop = await opened_hop()
    node.say(flat(Failure("server-full")))
    await Listener().listen(hop)
    later = Listener()
    hop.listen(later)
    assert [type(failure) for failure in later.failures] == [ServerRefusedError]


async def test_a_ping_to_a_server_that_is_gone_breaks_nothing() -> None:
    node, hop = await opened_hop()

    def fail(_parts: Any) -> None:
        raise RuntimeError("the transport is closed")

    node.writer.writelines = fail  # type: ignore[method-assign]
    hop.ping()


@in_virtual_time
async def test_servers_are_probed_together_and_those_that_say_nothing_have_failed() -> None:
    loop = asyncio.get_running_loop()
    alive, silent, dead = [await opened_hop() for _ in range(3)]
    dead[0].say(b"", ends=True)
    loop.call_later(0.5, alive[0].say, flat(Pong()))
    began = loop.time()
    await probe([hop for _node, hop in (alive, silent, dead)], 1.0)
    assert loop.time() - began == pytest.approx(1.0, abs=0.1)
    assert [str(hop.failed).split(maxsplit=6)[-1] if hop.failed else None for _, hop in (alive, silent, dead)] == [
        None,
        "is silent",
        "stopped answering",
    ]


@in_virtual_time
async def test_a_probe_ends_with_the_last_sign_of_life() -> None:
    loop = asyncio.get_running_loop()
    hops = [await opened_hop() for _ in range(2)]
    for index, (node, _hop) in enumerate(hops):
        loop.call_later(0.2 * index, node.say, flat(Pong()))
    began = loop.time()
    await probe([hop for _node, hop in hops], 1.0)
    assert loop.time() - began == pytest.approx(0.2, abs=0.05)
    assert not any(hop.failed for _node, hop in hops)


@in_virtual_time
async def test_a_long_message_is_a_sign_of_life_as_long_as_it_comes_in() -> None:
    node, hop = await opened_hop(agreed=Opened(4, "bfloat16", 1 << 16))
    data = result(torch.zeros(1, 40_000, 4), tokens=40_000)
    hop.ping()
    for first in range(0, len(data), 64 * 1024):
        node.say(data[first : first + 64 * 1024])
        await asyncio.sleep(0.5)
        assert asyncio.get_running_loop().time() - hop.heard_s <= 0.5
        assert hop.pinged_s is None
    await hop.aclose()


async def test_a_sessions_replies_are_heard_in_order_until_the_server_fails() -> None:
    node, hop = await opened_hop()
    answer = torch.randn(1, 2, 4).bfloat16()
    node.say(flat(Queued(2, 9.0)) + result(answer, position=0, tokens=2) + result(answer, position=2, tokens=2))
    node.say(flat(Failure("server-full")) + result(answer, position=4, tokens=2))
    listener = Listener()
    await listener.listen(hop)
    assert [(reply.position, reply.tokens) for reply, _data, _receive_s in listener.results] == [(0, 2), (2, 2)]
    assert listener.results[0][0].timings == (Timing(0.125, 0.5),)
    assert bytes(listener.results[0][1]["hidden"]) == bytes(to_wire({"hidden": answer})[1][0])
    assert listener.queued == [Queued(2, 9.0)]
    (failure,) = listener.failures
    assert isinstance(failure, ServerRefusedError)
    assert (failure.reason, failure.peer) == ("server-full", PEER)


@pytest.mark.parametrize("length", [0, 5, 12, 30, -1])
async def test_a_server_whose_stream_ends_during_a_session_is_lost(length: int) -> None:
    node, hop = await opened_hop()
    node.say(result(torch.zeros(1, 1, 4), tokens=1)[:length], ends=True)
    listener = Listener()
    await listener.listen(hop)
    (failure,) = listener.failures
    assert isinstance(failure, ServerLostError)
    assert "stopped answering" in str(failure)
    assert listener.results == []


WRONG_REPLIES = {
    **STRANGE_ANSWERS,
    "another width": result(torch.zeros(1, 1, 5), tokens=1),
    "more tokens than are done": result(torch.zeros(1, 2, 4), tokens=1),
    "more sequences than agreed": result(torch.zeros(3, 1, 4), tokens=1),
    "int8 without scales": result(torch.zeros(1, 1, 4, dtype=torch.int8), tokens=1),
}


@pytest.mark.parametrize("data", WRONG_REPLIES.values(), ids=WRONG_REPLIES)
async def test_a_server_that_says_anything_else_in_a_session_is_lost(data: bytes) -> None:
    node, hop = await opened_hop()
    node.say(data, ends=True)
    listener = Listener()
    await listener.listen(hop)
    assert [type(failure) for failure in listener.failures] == [ServerLostError]
    assert listener.results == []


@in_virtual_time
async def test_a_result_comes_with_the_time_that_its_tensors_took() -> None:
    node, hop = await opened_hop()
    data, listener = result(torch.zeros(1, 2, 4), tokens=2), Listener()
    async with asyncio.TaskGroup() as group:
        group.create_task(listener.listen(hop))
        await asyncio.sleep(7)
        node.say(data[:-9])
        await asyncio.sleep(3)
        node.say(data[-9:], ends=True)
    assert [receive_s for _reply, _data, receive_s in listener.results] == [pytest.approx(3)]


async def test_a_step_is_sent_with_its_route() -> None:
    node, hop = await opened_hop()
    hidden = torch.randn(1, 2, 4)
    headers, bodies = to_wire({"hidden": hidden})
    step = Step(7, headers, (Address("next", SESSION), Address("last", SESSION)), 8, epoch=3, order=1)
    await hop.send(step, bodies)
    message, tensors = await node.sent()
    assert message == step
    assert torch.equal(tensors["hidden"], hidden)


async def test_a_server_whose_stream_broke_takes_no_step() -> None:
    node, hop = await opened_hop()
    node.writer.fails_with = ConnectionResetError()
    with pytest.raises(ServerLostError, match="stopped answering"):
        await hop.send(Step(0, ()), [])


async def test_a_stream_that_is_closed_is_closed() -> None:
    node, hop = await opened_hop()
    await hop.aclose()
    assert node.writer.is_closed


NEXT, OTHER = Address("next", SESSION), Address("other", SESSION)


@pytest.mark.parametrize("is_linked", [True, False])
@in_virtual_time
async def test_a_server_that_is_asked_to_reach_another_says_whether_it_does(is_linked: bool) -> None:
    node, hop = await opened_hop()
    async with asyncio.TaskGroup() as group:
        reaching = group.create_task(hop.reach(NEXT, 10.0))
        assert (await node.sent())[0] == Reach(NEXT)
        node.say(flat(Reached(OTHER, not is_linked)) + flat(Reached(NEXT, is_linked)) + flat(Reached(NEXT, False)))
        assert await reaching is is_linked
    await hop.aclose()


@in_virtual_time
async def test_a_server_that_does_not_say_whether_it_reaches_another_does_not() -> None:
    (_node, hop), loop = await opened_hop(), asyncio.get_running_loop()
    began_s = loop.time()
    assert not await hop.reach(NEXT, 10.0)
    assert loop.time() - began_s == pytest.approx(10.0, abs=0.1)
    await hop.aclose()


@in_virtual_time
async def test_a_server_that_is_lost_before_it_says_so_reaches_nobody() -> None:
    (node, hop), loop = await opened_hop(), asyncio.get_running_loop()
    began_s = loop.time()
    async with asyncio.TaskGroup() as group:
        reaching = group.create_task(hop.reach(NEXT, 10.0))
        await node.sent()
        node.say(b"", ends=True)
        assert not await reaching
    assert not await hop.reach(NEXT, 10.0)
    assert loop.time() - began_s < 1
    await hop.aclose()


async def test_an_answer_that_comes_too_late_or_unasked_changes_nothing() -> None:
    node, hop = await opened_hop()
    node.say(flat(Reached(NEXT, is_linked=True)) + flat(Notice("next-lost", 3)), ends=True)
    listener = Listener()
    await listener.listen(hop)
    assert listener.notices == [Notice("next-lost", 3)]
    assert not hop.is_linked
