"""Clients get what the layers give; what breaks the protocol ends its own stream with a code, and nothing else.

A client is bytes on a stream. After every test the server has all its memory back.
"""

from __future__ import annotations

import asyncio
import struct
from typing import Any

import pytest
import torch

from fakes.models import HIDDEN
from fakes.span_servers import Client, Served, client_of, opening, step
from fakes.streams import flat
from meadow_client.session.codec import pack, unpack
from meadow_client.wire.messages import Backward, Codec, Failure, Forward, Join, Opened, Queued, Step
from meadow_engine.batching import admission
from meadow_engine.runtime.pool import PagePool, PoolLimits
from meadow_engine.runtime.requests import SessionState
from meadow_engine.serving.span_server import ServingLimits

FIRST, LAST = 1, 5
ID = "0123456789abcdef" * 2
OPENED = Opened(HIDDEN, "float32", 8192)


async def converse(served: Served, *said: bytes, replies: int | None = None) -> list[Any]:
    """What a client hears that says all this at once and hangs up when it has heard enough or was refused."""
    async with client_of(served.network, served.name) as client:
        client.say(*said)
        heard = await client.hear_all(len(said) if replies is None else replies)
    await served.network.quiet()
    return heard


def stateless(**changes: Any) -> bytes:
    return opening(**{"kind": "stateless", "session": None, **changes})


def hidden(batch: int = 1, tokens: int = 4, seed: int = 0) -> torch.Tensor:
    return torch.randn(batch, tokens, HIDDEN, generator=torch.Generator().manual_seed(seed))


def close(ours: torch.Tensor, theirs: torch.Tensor) -> None:
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


async def serves_the_next_client(served: Served) -> bool:
    entering = hidden()
    agreed, output = await converse(served, opening(), step(0, entering))
    close(output, served.span.view(FIRST, LAST).forward(entering))
    return agreed == OPENED and served.server.counts.sessions == 0


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


REFUSED_OPENINGS = {
    "another version": ({"version": 2}, "other-version"),
    "another model": ({"model": "another"}, "other-model"),
    "layers before ours": ({"start": 0, "end": 3}, "layers-not-here"),
    "layers behind ours": ({"start": 3, "end": 6}, "layers-not-here"),
    "layers far away": ({"start": 40, "end": 44}, "layers-not-here"),
    "no layers": ({"start": 3, "end": 3}, "broken-frame"),
    "layers backwards": ({"start": 4, "end": 2}, "broken-frame"),
    "no sequences": ({"batch": 0}, "broken-frame"),
    "far too many sequences": ({"batch": 1 << 20}, "broken-frame"),
    "no tokens": ({"max_length": 0}, "broken-frame"),
    "a strange kind": ({"kind": "wizardry"}, "broken-frame"),
    "no id": ({"session": None}, "broken-frame"),
    "a strange id": ({"session": "../../etc/passwd"}, "broken-frame"),
    "an id for whole texts": ({"kind": "stateless"}, "broken-frame"),
}


@pytest.mark.parametrize(("changes", "code"), REFUSED_OPENINGS.values(), ids=REFUSED_OPENINGS)
async def test_an_opening_that_cannot_be_met_is_refused(served: Served, changes: Any, code: str) -> None:
    assert await converse(served, opening(**changes), step(0, hidden())) == [Failure(code)]
    assert await serves_the_next_client(served)


STRANGE_BEGINNINGS = {
    "a step": step(0, hidden()),
    "a forward": flat(Forward(()), hidden=hidden()),
    "a reply": flat(Failure("failed")),
    "http": b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n",
    "zeros": bytes(200),
    "ones": b"\xff" * 200,
    "a huge header": struct.pack(">IQ", 1 << 31, 0) + bytes(100),
    "a huge body": struct.pack(">IQ", 10, 1 << 60) + bytes(100),
    "an opening with a body": struct.pack(">IQ", len(opening()) - 12, 4) + opening()[12:] + b"body",
    "no text": struct.pack(">IQ", 10, 0) + b"\x81\xa4type\xa4\xff\xff\xff\xff",
}


@pytest.mark.parametrize("data", STRANGE_BEGINNINGS.values(), ids=STRANGE_BEGINNINGS)
async def test_a_stream_that_begins_with_anything_else_is_ended(served: Served, data: bytes) -> None:
    assert await converse(served, data) == [Failure("broken-frame")]
    assert await serves_the_next_client(served)


@pytest.mark.parametrize("length", range(0, len(opening()), 13))
async def test_an_opening_that_breaks_off_ends_the_stream(served: Served, length: int) -> None:
    assert await converse(served, opening()[:length], replies=0) == []
    assert await serves_the_next_client(served)


BAD_REQUESTS = {
    "a gap": (step(5, hidden(tokens=1)), "position-gap"),
    "another batch": (step(4, hidden(batch=2, tokens=1)), "position-gap"),
    "more sequences than agreed": (step(0, hidden(batch=5)), "broken-frame"),
    "more tokens than agreed": (step(4, hidden(tokens=197)), "broken-frame"),
    "another width": (step(4, torch.zeros(1, 1, HIDDEN + 1)), "broken-frame"),
    "another dtype": (step(4, hidden().long()), "broken-frame"),
    "int8 without scales": (step(4, hidden().to(torch.int8)), "broken-frame"),
    "a strange codec": (step(4, hidden(tokens=1), codec="zip"), "broken-frame"),
    "a joining": (flat(Join(1, ID)), "broken-frame"),
    "no tokens": (step(4, hidden(tokens=0)), "broken-frame"),
    "a mask that does not fit": (
        step(4, hidden(tokens=1), attention_mask=torch.ones(1, 4, dtype=torch.bool)),
        "broken-frame",
    ),
    "a forward": (flat(Forward(()), hidden=hidden()), "broken-frame"),
    "another opening": (opening(), "broken-frame"),
    "strange bytes": (b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n", "broken-frame"),
    "a huge body": (struct.pack(">IQ", 10, 1 << 60) + bytes(100), "broken-frame"),
    "beams that are not there": (step(4, hidden(tokens=1), beam_idx=torch.tensor([7])), "broken-frame"),
    "beams before the first": (step(4, hidden(tokens=1), beam_idx=torch.tensor([-9])), "broken-frame"),
    "more memory than there is": (step(0, hidden(batch=4, tokens=180)), "server-full"),
}


@pytest.mark.parametrize(("data", "code"), BAD_REQUESTS.values(), ids=BAD_REQUESTS)
async def test_a_request_that_was_not_agreed_ends_its_session(served: Served, data: bytes, code: str) -> None:
    async with client_of(served.network, served.name) as client:
        client.say(opening(), step(0, hidden()))
        agreed, output = await client.hear_all(2)
        assert agreed == OPENED
        assert output.shape == (1, 4, HIDDEN)
        client.say(data)
        assert await client.hear_all(3) == [Failure(code)]
    assert await serves_the_next_client(served)


async def test_a_stateless_stream_takes_no_steps(served: Served) -> None:
    assert await converse(served, stateless(), step(0, hidden())) == [OPENED, Failure("broken-frame")]


@pytest.mark.parametrize("length", [1, 12, 20, 60, 300, -1])
async def test_a_step_that_breaks_off_ends_its_session(served: Served, length: int) -> None:
    replies = await converse(served, opening(), step(0, hidden()), step(4, hidden(tokens=2))[:length], replies=2)
    assert len(replies) == 2
    assert await serves_the_next_client(served)


async def test_strange_numbers_in_the_tensors_harm_nobody_else(served: Served) -> None:
    wild = torch.full((1, 4, HIDDEN), float("nan"))
    far = torch.full((1, 4), (1 << 62), dtype=torch.int64)
    blind = torch.zeros(1, 4, dtype=torch.bool)
    replies = await converse(served, opening(), step(0, wild, position_ids=far, attention_mask=blind))
    assert len(replies) == 2
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


async def test_a_session_is_not_opened_twice(served: Served) -> None:
    async with client_of(served.network, served.name) as first, client_of(served.network, served.name) as second:
        first.say(opening(session=ID))
        assert await first.hear() == OPENED
        second.say(opening(session=ID))
        assert await second.hear() == Failure("session-taken")
        first.say(step(0, hidden()))
        assert (await first.hear()).shape == (1, 4, HIDDEN)


async def held_by_another(served: Served, tokens: int) -> Client:
    """A client whose session holds the pages of so many tokens, four times."""
    client = Client(await served.network.open(served.name))
    client.say(opening(), step(0, hidden(4, tokens)))
    assert [type(reply) for reply in await client.hear_all(2)] == [Opened, torch.Tensor]
    return client


async def test_sessions_side_by_side_share_the_memory(served: Served) -> None:
    first = await held_by_another(served, 96)
    second = await held_by_another(served, 64)
    assert served.pool.free_pages == 0
    assert served.server.counts.sessions == 2
    first.hang_up()
    second.hang_up()


async def test_a_newcomer_is_told_its_place_and_served_when_another_leaves(served: Served) -> None:
    other = await held_by_another(served, 160)
    async with client_of(served.network, served.name) as client:
        client.say(opening(), step(0, hidden()))
        assert await client.hear_all(2) == [OPENED, Queued(1, 60.0)]
        other.hang_up()
        close(await client.hear(), served.span.view(FIRST, LAST).forward(hidden()))


async def test_a_newcomer_that_leaves_the_line_takes_nothing_with_it(served: Served) -> None:
    other = await held_by_another(served, 160)
    assert await converse_beside(served, opening(), step(0, hidden())) == [OPENED, Queued(1, 60.0)]
    async with client_of(served.network, served.name) as client:
        client.say(opening(), step(0, hidden()))
        await client.hear_all(2)
        other.hang_up()
        assert (await client.hear()).shape == (1, 4, HIDDEN)


async def converse_beside(served: Served, *said: bytes) -> list[Any]:
    async with client_of(served.network, served.name) as client:
        client.say(*said)
        return await client.hear_all(len(said))


async def test_a_newcomer_that_waited_too_long_is_told_so(served: Served) -> None:
    served.restart(pool=PagePool(PoolLimits(4, patience_s=0.05)))
    other = await held_by_another(served, 16)
    assert await converse_beside(served, opening(), step(0, hidden())) == [OPENED, Queued(1, 0.05)]
    async with client_of(served.network, served.name) as client:
        client.say(opening(), step(0, hidden()))
        assert (await client.hear_all(3))[2:] == [Failure("server-full")]
    other.hang_up()


async def test_an_idle_session_makes_room_and_goes_on_with_the_same_output(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission, "RECENT_S", 0.0)
    served.restart(pool=PagePool(PoolLimits(4, 8, spill_after_s=0.0)))
    text, other = hidden(tokens=45), hidden(tokens=60, seed=1)
    view = served.span.view(FIRST, LAST)
    async with client_of(served.network, served.name) as first, client_of(served.network, served.name) as second:
        first.say(opening(), step(0, text[:, :40]))
        await first.hear_all(2)
        second.say(opening(), step(0, other))
        assert [type(reply) for reply in await second.hear_all(2)] == [Opened, Queued]
        close(await second.hear(), view.forward(other))
        assert served.pool.free_host_pages == 5
        first.say(step(40, text[:, 40:]))
        assert isinstance(await first.hear(), Queued)
        close(await first.hear(), view.forward(text)[:, 40:])
        assert served.pool.free_host_pages == 4
    await served.network.quiet()
    assert served.pool.free_host_pages == 8


async def test_two_prompts_in_pieces_that_wait_for_each_others_memory_both_end(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission, "RECENT_S", 0.05)
    served.restart(pool=PagePool(PoolLimits(6, 20, spill_after_s=0.0)))
    text = hidden(tokens=80)
    pieces = [step(first, text[:, first : first + 16]) for first in range(0, 80, 16)]
    async with client_of(served.network, served.name) as first, client_of(served.network, served.name) as second:
        for client in (first, second):
            client.say(opening(), *pieces)
        for client in (first, second):
            outputs = []
            while len(outputs) < 5:
                reply = await client.hear()
                assert not isinstance(reply, Failure)
                if isinstance(reply, torch.Tensor):
                    outputs.append(reply)
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
