"""What breaks the protocol, or was not agreed, ends its own stream with a code, and nothing else.

A client is bytes on a stream. After every test the server has all its memory back.
"""

from __future__ import annotations

import struct
from typing import Any

import pytest
import torch

from fakes.models import HIDDEN
from fakes.span_clients import ID, OPENED, converse, hidden, serves_the_next_client, stateless
from fakes.span_servers import Served, client_of, opening, step
from fakes.streams import flat
from meadow_client.wire.messages import Failure, Forward, Join

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


async def test_a_session_is_not_opened_twice(served: Served) -> None:
    async with client_of(served.network, served.name) as first, client_of(served.network, served.name) as second:
        first.say(opening(session=ID))
        assert await first.hear() == OPENED
        second.say(opening(session=ID))
        assert await second.hear() == Failure("session-taken")
        first.say(step(0, hidden()))
        assert (await first.hear()).shape == (1, 4, HIDDEN)
