"""A server that dies, lies or refuses is known for what it did."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest
import torch

from fakes.streams import PipeWriter, flat, hear, stream_pair
from fakes.virtual_time import in_virtual_time
from meadow_client.errors import MeadowError, ServerLostError, ServerRefusedError
from meadow_client.routing.chains import Leg
from meadow_client.session.hop import Hop, probe
from meadow_client.session.tensors import to_wire
from meadow_client.swarm.node import PeerUnreachableError, Stream
from meadow_client.wire import frames
from meadow_client.wire.messages import (
    PROTOCOL,
    VERSION,
    Address,
    Failure,
    Forward,
    Notice,
    Open,
    Opened,
    Ping,
    Pong,
    Queued,
    Result,
    Step,
    Timing,
)

PEER = "12D3KooWservant"
LEG = Leg(PEER, 2, 5)
SESSION = "0123456789abcdef" * 2
OPENING = Open(VERSION, "session", "fingerprint", 2, 5, 2, 64, SESSION)
STATELESS = Open(VERSION, "stateless", "fingerprint", 2, 5, 2, 64)
AGREED = Opened(4, "bfloat16", 128)


@dataclass
class FakeNode:
    """Opens a stream whose other end says what the test gives it."""

    says: bytes = b""
    ends: bool = False
    refuses: Exception | None = None
    asked: list[tuple[str, str]] = field(default_factory=list)

    async def open(self, peer: str, protocol: str) -> Stream:
        self.asked.append((peer, protocol))
        if self.refuses is not None:
            raise self.refuses
        ours, self.far = stream_pair(there=peer)
        self.writer: PipeWriter = ours.writer  # type: ignore[assignment]
        self.say(self.says, ends=self.ends)
        return ours

    def say(self, data: bytes, *, ends: bool = False) -> None:
        self.far.writer.write(data)
        if ends:
            self.far.writer.close()

    async def sent(self) -> tuple[Any, dict[str, torch.Tensor]]:
        return await hear(self.far, frames.request_decoder)


def result(tensor: torch.Tensor, name: Any = "hidden", **fields: Any) -> bytes:
    return flat(Result((), (Timing(0.125, 0.5),), **fields), **{name: tensor})


async def open_hop(node: FakeNode, patience_s: float = 60.0, opening: Open = OPENING) -> Hop:
    return await Hop.open(node, LEG, opening, patience_s, 60.0)  # type: ignore[arg-type]


async def opened_hop(opening: Open = OPENING, agreed: Opened = AGREED) -> tuple[FakeNode, Hop]:
    node = FakeNode(flat(agreed))
    hop = await open_hop(node, opening=opening)
    assert (await node.sent())[0] == opening
    return node, hop


async def test_an_opening_names_model_and_layers_and_brings_the_terms() -> None:
    node = FakeNode(flat(AGREED))
    hop = await open_hop(node)
    assert node.asked == [(PEER, PROTOCOL)]
    assert (await node.sent())[0] == OPENING
    assert (hop.terms.width, hop.terms.dtype, hop.terms.max_step_tokens) == (4, "bfloat16", 128)
    assert (hop.terms.kind, hop.terms.batch, hop.terms.max_length) == ("session", 2, 64)
    assert not hop.is_linked
    assert hop.address == Address(PEER, SESSION)
    assert not node.writer.is_closed


async def test_a_server_says_whether_it_reached_the_next_one() -> None:
    hop = await open_hop(FakeNode(flat(Opened(4, "bfloat16", 128, is_linked=True))))
    assert hop.is_linked


async def test_a_server_that_refuses_to_open_is_heard_with_its_code() -> None:
    node = FakeNode(flat(Failure("layers-not-here")))
    with pytest.raises(ServerRefusedError) as caught:
        await open_hop(node)
    assert (caught.value.reason, caught.value.peer, caught.value.span) == ("layers-not-here", PEER, (2, 5))
    assert node.writer.is_closed


NO_ANSWERS = {
    "nothing": b"",
    "part of a frame": flat(AGREED)[:-1],
    "a request": flat(Step(0, ())),
    "a result": result(torch.zeros(1, 1, 4)),
    "a place in line": flat(Queued(1, 60.0)),
    "strange bytes": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "no text": b"\x00\x00\x00\x0a" + bytes(8) + b"\x81\xa4type\xa4\xff\xff\xff\xff",
    "a body": flat(AGREED)[:4] + (9).to_bytes(8, "big") + bytes(99),
}


@pytest.mark.parametrize("data", NO_ANSWERS.values(), ids=NO_ANSWERS)
async def test_a_server_that_answers_an_opening_with_anything_else_is_lost(data: bytes) -> None:
    node = FakeNode(data, ends=True)
    with pytest.raises(ServerLostError, match="cannot be reached"):
        await open_hop(node)
    assert node.writer.is_closed


@pytest.mark.parametrize("error", [PeerUnreachableError("gone"), ConnectionResetError(), BrokenPipeError()])
async def test_a_peer_that_cannot_be_reached_is_lost(error: Exception) -> None:
    with pytest.raises(ServerLostError, match="cannot be reached"):
        await open_hop(FakeNode(refuses=error))


async def test_a_server_that_is_silent_at_the_opening_is_waited_for_no_longer_than_agreed() -> None:
    node = FakeNode()
    with pytest.raises(ServerLostError, match="cannot be reached"):
        await open_hop(node, patience_s=0.0)
    assert node.writer.is_closed


async def test_an_opening_that_is_cancelled_closes_its_stream() -> None:
    node = FakeNode()
    async with asyncio.TaskGroup() as group:
        opening = group.create_task(open_hop(node))
        for _ in range(5):
            await asyncio.sleep(0)
        opening.cancel()
    assert node.writer.is_closed


async def test_a_stateless_request_travels_in_the_servers_dtype_and_its_answer_comes_back_in_the_callers() -> None:
    node, hop = await opened_hop(STATELESS)
    answer = torch.randn(2, 3, 4).bfloat16()
    node.say(result(answer))
    positions = torch.arange(3).expand(2, 3)
    back = await hop.forward({"hidden": torch.randn(2, 3, 4), "position_ids": positions})
    assert back.dtype == torch.float32
    assert torch.equal(back, answer.float())
    message, _tensors = await node.sent()
    assert isinstance(message, Forward)
    assert [(h.name, h.dtype) for h in message.tensors] == [("hidden", "bfloat16"), ("position_ids", "int64")]


async def test_a_backward_is_answered_by_a_gradient() -> None:
    node, hop = await opened_hop(STATELESS)
    answer = torch.randn(1, 2, 4).bfloat16()
    node.say(result(answer, name="grad"))
    grad = await hop.backward({"hidden": torch.zeros(1, 2, 4), "grad": torch.ones(1, 2, 4)})
    assert torch.equal(grad, answer.float())


async def test_a_server_that_refuses_a_request_is_heard_with_its_code() -> None:
    node, hop = await opened_hop(STATELESS)
    node.say(flat(Failure("server-full")))
    with pytest.raises(ServerRefusedError, match="server-full"):
        await hop.forward({"hidden": torch.zeros(1, 1, 4)})


@pytest.mark.parametrize("length", [0, 5, 12, 30, -1])
async def test_a_server_that_dies_during_a_request_is_lost(length: int) -> None:
    node, hop = await opened_hop(STATELESS)
    node.say(result(torch.zeros(1, 1, 4).bfloat16())[:length], ends=True)
    with pytest.raises(ServerLostError, match="stopped answering"):
        await hop.forward({"hidden": torch.zeros(1, 1, 4)})


STRANGE_ANSWERS = {
    "an agreement": flat(AGREED),
    "strange bytes": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "no text": b"\x00\x00\x00\x0a" + bytes(8) + b"\x81\xa4type\xa4\xff\xff\xff\xff",
    "a huge body": b"\x00\x00\x00\x0a" + b"\xff" * 8,
    "nothing": msgspec.msgpack.encode(None) * 12,
    "another tensor": result(torch.zeros(1, 1, 4).bfloat16(), name="grad"),
}
WRONG_RESULTS = {
    **STRANGE_ANSWERS,
    "another shape": result(torch.zeros(1, 2, 4).bfloat16()),
    "another dtype": result(torch.zeros(1, 1, 4)),
    "a place in line": flat(Queued(1, 60.0)),
}


@pytest.mark.parametrize("data", WRONG_RESULTS.values(), ids=WRONG_RESULTS)
async def test_a_server_that_answers_a_request_with_anything_else_is_lost(data: bytes) -> None:
    node, hop = await opened_hop(STATELESS)
    node.say(data, ends=True)
    with pytest.raises(ServerLostError):
        await hop.forward({"hidden": torch.zeros(1, 1, 4)})


async def test_a_server_that_is_silent_during_a_request_is_lost_after_the_agreed_time() -> None:
    node = FakeNode(flat(AGREED))
    hop = await Hop.open(node, LEG, STATELESS, 60.0, 0.0)  # type: ignore[arg-type]
    with pytest.raises(ServerLostError, match="did not answer within 0 s"):
        await hop.forward({"hidden": torch.zeros(1, 1, 4)})


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
