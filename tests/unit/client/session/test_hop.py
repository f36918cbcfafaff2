"""A server that dies, lies or refuses at its opening, or while it answers a request, is known for what it did."""

from __future__ import annotations

import asyncio

import pytest
import torch

from fakes.far_server import (
    AGREED,
    LEG,
    OPENING,
    PEER,
    SESSION,
    STATELESS,
    STRANGE_ANSWERS,
    FakeNode,
    open_hop,
    opened_hop,
    result,
)
from fakes.streams import flat
from meadow_client.errors import ServerLostError, ServerRefusedError
from meadow_client.session.hop import Hop
from meadow_client.swarm.node import PeerUnreachableError
from meadow_client.wire.messages import PROTOCOL, Address, Failure, Forward, Opened, Queued, Step


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
