"""Clients get what the layers give, one step after the other, as long as they may stay.

A client is bytes on a stream. After every test the server has all its memory back.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import torch

from fakes.models import HIDDEN
from fakes.span_clients import FIRST, LAST, OPENED, close, converse, hidden, serves_the_next_client, stateless
from fakes.span_servers import Served, client_of, opening, step
from fakes.streams import flat
from meadow_client.session.codec import pack, unpack
from meadow_client.wire.messages import Backward, Codec, Failure, Forward, Step
from meadow_engine.runtime.requests import SessionState
from meadow_engine.serving.span_server import ServingLimits


async def test_a_session_gives_what_the_layers_give(served: Served) -> None:
    text = hidden(batch=2, tokens=10)
    agreed, *outputs = await converse(
        served, opening(), step(0, text[:, :8]), step(8, text[:, 8:9]), step(9, text[:, 9:])
    )
    assert agreed == OPENED
    expected = served.span.view(FIRST, LAST).forward(text)
    close(torch.cat(outputs, dim=1), expected)


async def test_a_session_of_some_layers_gives_what_these_give(served: Served) -> None:
    text = hidden()
    _, output = await converse(served, opening(start=2, end=4), step(0, text))
    torch.testing.assert_close(output, served.span.view(2, 4).forward(text), rtol=1e-4, atol=1e-4)


async def test_a_session_goes_back_and_begins_anew(served: Served) -> None:
    text, other = hidden(tokens=6), hidden(tokens=2, seed=1)
    whole = torch.cat([text[:, :3], other], dim=1)
    _, _, back, anew = await converse(served, opening(), step(0, text), step(3, other), step(0, other))
    view = served.span.view(FIRST, LAST)
    torch.testing.assert_close(back, view.forward(whole)[:, 3:], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(anew, view.forward(other), rtol=1e-4, atol=1e-4)


async def test_padding_positions_and_beams_are_used(served: Served) -> None:
    text, following = hidden(batch=2, tokens=4), hidden(batch=2, tokens=1, seed=1)
    mask = torch.tensor([[False, True, True, True], [True, True, True, True]])
    positions = torch.tensor([[0, 0, 1, 2], [0, 1, 2, 3]])
    order = torch.tensor([1, 1])
    longer, later = torch.ones(2, 5, dtype=torch.bool), torch.tensor([[4], [4]])
    _, first, second = await converse(
        served,
        opening(),
        step(0, text, attention_mask=mask, position_ids=positions),
        step(4, following, beam_idx=order, attention_mask=longer, position_ids=later),
    )
    view = served.span.view(FIRST, LAST)
    torch.testing.assert_close(first[0, 1:], view.forward(text[:1, 1:])[0], rtol=1e-4, atol=1e-4)
    expected = view.forward(torch.cat([text[order], following], dim=1))[:, 4:]
    torch.testing.assert_close(second, expected, rtol=1e-4, atol=1e-4)


async def test_whole_texts_run_forward_and_backward_without_a_cache(served: Served) -> None:
    text, grad = hidden(batch=2), hidden(batch=2, seed=1)
    _, output, pulled = await converse(
        served,
        stateless(batch=2),
        flat(Forward(()), hidden=text),
        flat(Backward(()), hidden=text, grad=grad),
    )
    view = served.span.view(FIRST, LAST)
    assert torch.equal(output, view.forward(text))
    assert torch.equal(pulled, view.backward(text, grad))


async def test_what_was_served_is_counted(served: Served) -> None:
    await converse(served, opening(), step(0, hidden(batch=2, tokens=5)), step(5, hidden(batch=2, tokens=1)))
    assert (served.server.counts.sessions, served.server.counts.tokens) == (0, 12)


async def test_a_client_that_comes_and_goes_hears_nothing(served: Served) -> None:
    assert await converse(served) == []
    assert await serves_the_next_client(served)


async def test_a_session_takes_int8_and_gives_it_where_the_step_says_so(served: Served) -> None:
    text = hidden(tokens=6)
    packed = pack(text, "int8")
    async with client_of(served.network, served.name) as client:
        client.say(opening(), flat_step(packed, "int8"), flat_step(packed, "raw"))
        assert await client.hear() == OPENED
        reply, tensors = await client.hear_with_tensors()
        assert [(header.name, header.dtype) for header in reply.tensors] == [("hidden", "int8"), ("scale", "float32")]
        reply, exact = await client.hear_with_tensors()
        assert [(header.name, header.dtype) for header in reply.tensors] == [("hidden", "float32")]
    view = served.span.view(FIRST, LAST)
    expected = view.forward(unpack(packed, torch.float32, torch.device("cpu")))
    close(exact["hidden"], expected)
    back = unpack(tensors, torch.float32, torch.device("cpu"))
    assert torch.all((back - expected).abs().amax(dim=-1) <= tensors["scale"] / 2 + 1e-3)


def flat_step(packed: Any, codec: Codec) -> bytes:
    return flat(Step(0, (), codec=codec), **packed)


async def test_only_the_outputs_that_are_wanted_are_sent(served: Served) -> None:
    text = hidden(2, 6)
    async with client_of(served.network, served.name) as client:
        client.say(opening(), step(0, text, keep_from=5), step(6, hidden(2, 1), keep_from=7))
        assert await client.hear() == OPENED
        reply, tensors = await client.hear_with_tensors()
        assert (reply.position, reply.tokens, len(reply.timings)) == (0, 6, 1)
        close(tensors["hidden"], served.span.view(FIRST, LAST).forward(text)[:, 5:])
        reply, tensors = await client.hear_with_tensors()
        assert tensors["hidden"].shape == (2, 0, HIDDEN)


async def test_steps_that_come_before_the_last_one_was_answered_are_answered_in_order(served: Served) -> None:
    text = hidden(tokens=30)
    pieces = [step(first, text[:, first : first + 3]) for first in range(0, 30, 3)]
    _, *outputs = await converse(served, opening(), *pieces)
    close(torch.cat(outputs, dim=1), served.span.view(FIRST, LAST).forward(text))


async def test_a_client_that_says_nothing_is_waited_for_no_longer_than_the_limit(served: Served) -> None:
    served.restart(ServingLimits(opening_s=0))
    async with client_of(served.network, served.name) as client:
        assert await client.hear_all(1) == []


async def test_a_session_that_falls_silent_is_ended_after_the_limit(served: Served) -> None:
    served.restart(ServingLimits(idle_s=0.02))
    async with client_of(served.network, served.name) as client:
        client.say(opening())
        assert await client.hear_all(2) == [OPENED]
        await served.network.quiet()


async def test_a_client_that_went_away_before_its_answer_leaves_nothing_behind(served: Served) -> None:
    async with client_of(served.network, served.name) as client:
        served.network.streams[served.name][0].writer.fails_with = ConnectionResetError()  # type: ignore[attr-defined]
        client.say(opening(), step(0, hidden()))
        await served.network.quiet()
    assert await serves_the_next_client(served)


async def test_a_refused_client_that_went_away_is_no_defect_of_ours(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    async with client_of(served.network, served.name) as client:
        served.network.streams[served.name][0].writer.fails_with = ConnectionResetError()  # type: ignore[attr-defined]
        client.say(opening(model="another"))
        await served.network.quiet()
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_a_client_that_takes_no_answers_is_waited_for_no_longer_than_the_limit(served: Served) -> None:
    served.restart(ServingLimits(idle_s=0.1))
    async with client_of(served.network, served.name) as client:
        served.network.streams[served.name][0].writer.is_stuck = True  # type: ignore[attr-defined]
        client.say(opening(), step(0, hidden()))
        async with asyncio.timeout(5):
            await served.network.quiet()


async def test_a_span_that_is_withdrawn_ends_its_sessions(served: Served) -> None:
    async with client_of(served.network, served.name) as client:
        client.say(opening(), step(0, hidden()))
        await client.hear_all(2)
        for task in list(served.network.tasks):
            task.cancel()
        assert await client.hear_all(1) == []


async def test_what_fails_on_this_computer_is_told_without_its_text(
    served: Served, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_anything: Any) -> Any:
        raise RuntimeError("a secret path")

    with monkeypatch.context() as patch:
        patch.setattr(SessionState, "prepare", fail)
        assert (await converse(served, opening(), step(0, hidden())))[1:] == [Failure("failed")]
    assert "A request failed on this computer" in caplog.text
    assert await serves_the_next_client(served)
