"""A server that dies, lies or refuses is known for what it did."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest
import torch

from meadow_client.errors import ServerLostError, ServerRefusedError
from meadow_client.routing.chains import Leg
from meadow_client.session.hop import Hop, Timing, opening_for
from meadow_client.session.tensors import to_wire
from meadow_client.swarm.node import PeerUnreachableError, Stream
from meadow_client.wire import frames
from meadow_client.wire.messages import PROTOCOL, Failure, Message, Opened, Result, Step

PEER = "12D3KooWservant"
LEG = Leg(PEER, 2, 5)
OPENING = opening_for("session", "fingerprint", LEG, 2, 64)


@dataclass
class FakeWriter:
    written: bytearray = field(default_factory=bytearray)
    is_closed: bool = False

    def writelines(self, parts: list[bytes]) -> None:
        for part in parts:
            self.written += part

    async def drain(self) -> None: ...

    def close(self) -> None:
        self.is_closed = True

    async def wait_closed(self) -> None: ...


@dataclass
class FakeNode:
    """Opens a stream whose other end says what the test gives it."""

    says: bytes = b""
    ends: bool = False
    refuses: Exception | None = None
    writer: FakeWriter = field(default_factory=FakeWriter)
    asked: list[tuple[str, str]] = field(default_factory=list)

    async def open(self, peer: str, protocol: str) -> Stream:
        self.asked.append((peer, protocol))
        if self.refuses is not None:
            raise self.refuses
        self.reader = asyncio.StreamReader()
        self.reader.feed_data(self.says)
        if self.ends:
            self.reader.feed_eof()
        return Stream(peer, self.reader, self.writer)  # type: ignore[arg-type]

    def say(self, data: bytes, *, ends: bool = False) -> None:
        self.reader.feed_data(data)
        if ends:
            self.reader.feed_eof()


def flat(message: Message, tensor: torch.Tensor | None = None) -> bytes:
    bodies = [] if tensor is None else to_wire({"hidden": tensor})[1]
    return b"".join(bytes(part) for part in frames.encode(message, bodies))


def result(tensor: torch.Tensor, name: Any = "hidden") -> bytes:
    return flat(Result(to_wire({name: tensor})[0], 0.125, 0.5), tensor)


async def open_hop(node: FakeNode, patience_s: float = 60.0) -> Hop:
    return await Hop.open(node, LEG, OPENING, patience_s, 60.0)  # type: ignore[arg-type]


async def opened_hop() -> tuple[FakeNode, Hop]:
    node = FakeNode(flat(Opened(4, "bfloat16", 128)))
    hop = await open_hop(node)
    node.writer.written.clear()
    return node, hop


async def sent(node: FakeNode) -> tuple[Any, dict[str, bytes]]:
    reader = asyncio.StreamReader()
    reader.feed_data(bytes(node.writer.written))
    return await frames.read(reader, frames.request_decoder, lambda _message: None, 1 << 20)


async def test_an_opening_names_model_and_layers_and_brings_the_terms() -> None:
    node = FakeNode(flat(Opened(4, "bfloat16", 128)))
    hop = await open_hop(node)
    assert node.asked == [(PEER, PROTOCOL)]
    assert (await sent(node))[0] == OPENING
    assert (OPENING.model, OPENING.start, OPENING.end) == ("fingerprint", 2, 5)
    assert (hop.terms.width, hop.terms.dtype, hop.terms.max_step_tokens) == (4, "bfloat16", 128)
    assert not node.writer.is_closed


async def test_a_server_that_refuses_to_open_is_heard_with_its_code() -> None:
    node = FakeNode(flat(Failure("layers-not-here")))
    with pytest.raises(ServerRefusedError) as caught:
        await open_hop(node)
    assert (caught.value.reason, caught.value.peer, caught.value.span) == ("layers-not-here", PEER, (2, 5))
    assert node.writer.is_closed


NO_ANSWERS = {
    "nothing": b"",
    "part of a frame": flat(Opened(4, "bfloat16", 128))[:-1],
    "a request": flat(Step(0, ())),
    "a result": result(torch.zeros(1, 1, 4)),
    "strange bytes": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "no text": b"\x00\x00\x00\x0a" + bytes(8) + b"\x81\xa4type\xa4\xff\xff\xff\xff",
    "a body": flat(Opened(4, "bfloat16", 128))[:4] + (9).to_bytes(8, "big") + bytes(99),
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


async def test_a_step_travels_in_the_servers_dtype_and_comes_back_in_the_callers() -> None:
    node, hop = await opened_hop()
    answer = torch.randn(2, 3, 4).bfloat16()
    node.say(result(answer))
    back = await hop.step(7, {"hidden": torch.randn(2, 3, 4), "beam_idx": torch.tensor([1, 0])})
    assert back.dtype == torch.float32
    assert torch.equal(back, answer.float())
    message, _ = await sent(node)
    assert message.position == 7
    assert [(h.name, h.dtype) for h in message.tensors] == [("hidden", "bfloat16"), ("beam_idx", "int64")]
    assert hop.timing == Timing(0.125, 0.5)


async def test_a_backward_is_answered_by_a_gradient() -> None:
    node, hop = await opened_hop()
    answer = torch.randn(1, 2, 4).bfloat16()
    node.say(result(answer, name="grad"))
    grad = await hop.backward({"hidden": torch.zeros(1, 2, 4), "grad": torch.ones(1, 2, 4)})
    assert torch.equal(grad, answer.float())


async def test_a_server_that_refuses_a_step_is_heard_with_its_code() -> None:
    node, hop = await opened_hop()
    node.say(flat(Failure("server-full")))
    with pytest.raises(ServerRefusedError, match="server-full"):
        await hop.step(0, {"hidden": torch.zeros(1, 1, 4)})


@pytest.mark.parametrize("length", [0, 5, 12, 30, -1])
async def test_a_server_that_dies_during_a_step_is_lost(length: int) -> None:
    node, hop = await opened_hop()
    node.say(result(torch.zeros(1, 1, 4).bfloat16())[:length], ends=True)
    with pytest.raises(ServerLostError, match="stopped answering"):
        await hop.step(0, {"hidden": torch.zeros(1, 1, 4)})


WRONG_RESULTS = {
    "another shape": result(torch.zeros(1, 2, 4).bfloat16()),
    "another dtype": result(torch.zeros(1, 1, 4)),
    "another tensor": result(torch.zeros(1, 1, 4).bfloat16(), name="grad"),
    "an agreement": flat(Opened(4, "bfloat16", 128)),
    "strange bytes": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "no text": b"\x00\x00\x00\x0a" + bytes(8) + b"\x81\xa4type\xa4\xff\xff\xff\xff",
    "a huge body": b"\x00\x00\x00\x0a" + b"\xff" * 8,
    "nothing": msgspec.msgpack.encode(None) * 12,
}


@pytest.mark.parametrize("data", WRONG_RESULTS.values(), ids=WRONG_RESULTS)
async def test_a_server_that_answers_a_step_with_anything_else_is_lost(data: bytes) -> None:
    node, hop = await opened_hop()
    node.say(data, ends=True)
    with pytest.raises(ServerLostError):
        await hop.step(0, {"hidden": torch.zeros(1, 1, 4)})


async def test_a_server_that_is_silent_during_a_step_is_lost_after_the_agreed_time() -> None:
    node = FakeNode(flat(Opened(4, "bfloat16", 128)))
    hop = await Hop.open(node, LEG, OPENING, 60.0, 0.0)  # type: ignore[arg-type]
    with pytest.raises(ServerLostError, match="did not answer within 0 s"):
        await hop.step(0, {"hidden": torch.zeros(1, 1, 4)})
