"""Clients get what the layers give; what breaks the protocol ends its own stream with a code, and nothing else.

A client is bytes that were written beforehand. After every test the server has all its memory back.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch

from fakes.models import HIDDEN
from meadow_client.models.description import describe
from meadow_client.session.tensors import from_wire, to_wire
from meadow_client.swarm.node import Stream
from meadow_client.wire import frames
from meadow_client.wire.messages import Backward, Failure, Forward, Message, Open, Opened, Result, Step
from meadow_engine.runtime.caches import CacheBudget
from meadow_engine.runtime.device import ComputeThread
from meadow_engine.runtime.span import LoadOptions, Span
from meadow_engine.serving.span_server import ServingLimits, SpanServer

MODEL = "fingerprint"
FIRST, LAST = 1, 5
BUDGET_TOKENS = 200


@dataclass
class FakeWriter:
    """Keeps what was written; `fails_with` is raised by every drain, `is_stuck` lets none of them end."""

    written: bytearray = field(default_factory=bytearray)
    fails_with: Exception | None = None
    is_stuck: bool = False
    answers: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))

    def writelines(self, parts: list[Any]) -> None:
        for part in parts:
            self.written += part

    async def drain(self) -> None:
        if self.fails_with is not None:
            raise self.fails_with
        if self.is_stuck:
            await asyncio.Event().wait()
        self.answers.release()

    def close(self) -> None: ...

    async def wait_closed(self) -> None: ...


@dataclass
class Served:
    """One server and everything the tests look at."""

    server: SpanServer
    span: Span
    compute: ComputeThread
    budget: CacheBudget

    async def hear(self, *said: bytes, hangs_up: bool = True, writer: FakeWriter | None = None) -> list[Any]:
        """Serve one client that says all this and hangs up; the replies, results as their tensors."""
        reader = asyncio.StreamReader()
        for data in said:
            reader.feed_data(data)
        if hangs_up:
            reader.feed_eof()
        writer = writer or FakeWriter()
        await self.server.serve(Stream("12D3KooWclient", reader, writer))  # type: ignore[arg-type]
        return await replies_in(bytes(writer.written))


async def replies_in(data: bytes) -> list[Any]:
    reader = asyncio.StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    found: list[Any] = []
    while not reader.at_eof():
        reply, bodies = await frames.read(reader, frames.reply_decoder, lambda _reply: None, 1 << 30)
        assert isinstance(reply, Opened | Result | Failure)
        if isinstance(reply, Result):
            (header,) = reply.tensors
            assert reply.queue_s >= 0
            assert reply.compute_s >= 0
            found.append(from_wire(header, bodies[header.name]))
        else:
            found.append(reply)
    return found


def said(message: Message, **tensors: torch.Tensor) -> bytes:
    """The bytes of a message with these tensors."""
    headers, bodies = to_wire(tensors)  # type: ignore[arg-type]
    if tensors:
        message = type(message)(**{**{f: getattr(message, f) for f in message.__struct_fields__}, "tensors": headers})
    return b"".join(bytes(part) for part in frames.encode(message, bodies))


def opening(**changes: Any) -> bytes:
    usual = {
        "version": 1,
        "kind": "session",
        "model": MODEL,
        "start": FIRST,
        "end": LAST,
        "batch": 4,
        "max_length": 64,
    }
    return said(Open(**{**usual, **changes}))


@pytest.fixture(scope="session")
def span(tiny_model: Callable[[str], Path]) -> Span:
    description = describe(str(tiny_model("llama")))
    return Span.load(description, FIRST, LAST, torch.device("cpu"), LoadOptions("float32"))


@pytest.fixture
def served(span: Span) -> Iterator[Served]:
    compute = ComputeThread(torch.device("cpu"))
    budget = CacheBudget(BUDGET_TOKENS * span.bytes_per_token, span.bytes_per_token)
    yield Served(SpanServer(MODEL, span, compute, budget, ServingLimits()), span, compute, budget)
    assert budget.used_tokens == 0
    compute.close()


OPENED = Opened(HIDDEN, "float32", 8192)


def hidden(batch: int = 1, tokens: int = 4, seed: int = 0) -> torch.Tensor:
    return torch.randn(batch, tokens, HIDDEN, generator=torch.Generator().manual_seed(seed))


def step(position: int, tensor: torch.Tensor, **others: torch.Tensor) -> bytes:
    return said(Step(position, ()), hidden=tensor, **others)


async def serves_the_next_client(served: Served) -> bool:
    entering = hidden()
    agreed, output = await served.hear(opening(), step(0, entering))
    expected = served.span.view(FIRST, LAST).step(entering, served.span.view(FIRST, LAST).new_cache(), 0)
    return agreed == OPENED and torch.equal(output, expected) and served.server.counts.sessions == 0


async def test_a_session_gives_what_the_layers_give(served: Served) -> None:
    text = hidden(batch=2, tokens=10)
    agreed, *outputs = await served.hear(opening(), step(0, text[:, :8]), step(8, text[:, 8:9]), step(9, text[:, 9:]))
    assert agreed == OPENED
    expected = served.span.view(FIRST, LAST).forward(text)
    torch.testing.assert_close(torch.cat(outputs, dim=1), expected, rtol=1e-4, atol=1e-4)


async def test_a_session_of_some_layers_gives_what_these_give(served: Served) -> None:
    text = hidden()
    _, output = await served.hear(opening(start=2, end=4), step(0, text))
    torch.testing.assert_close(output, served.span.view(2, 4).forward(text), rtol=1e-4, atol=1e-4)


async def test_a_session_goes_back_and_begins_anew(served: Served) -> None:
    text, other = hidden(tokens=6), hidden(tokens=2, seed=1)
    whole = torch.cat([text[:, :3], other], dim=1)
    _, _, back, anew = await served.hear(opening(), step(0, text), step(3, other), step(0, other))
    view = served.span.view(FIRST, LAST)
    torch.testing.assert_close(back, view.forward(whole)[:, 3:], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(anew, view.forward(other), rtol=1e-4, atol=1e-4)


async def test_padding_positions_and_beams_are_used(served: Served) -> None:
    text, following = hidden(batch=2, tokens=4), hidden(batch=2, tokens=1, seed=1)
    mask = torch.tensor([[False, True, True, True], [True, True, True, True]])
    positions = torch.tensor([[0, 0, 1, 2], [0, 1, 2, 3]])
    order = torch.tensor([1, 1])
    longer, later = torch.ones(2, 5, dtype=torch.bool), torch.tensor([[4], [4]])
    _, first, second = await served.hear(
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
    _, output, pulled = await served.hear(
        opening(kind="stateless", batch=2),
        said(Forward(()), hidden=text),
        said(Backward(()), hidden=text, grad=grad),
    )
    view = served.span.view(FIRST, LAST)
    assert torch.equal(output, view.forward(text))
    assert torch.equal(pulled, view.backward(text, grad))


async def test_what_was_served_is_counted(served: Served) -> None:
    await served.hear(opening(), step(0, hidden(batch=2, tokens=5)), step(5, hidden(batch=2, tokens=1)))
    assert (served.server.counts.sessions, served.server.counts.tokens) == (0, 12)


async def test_a_client_that_comes_and_goes_hears_nothing(served: Served) -> None:
    assert await served.hear() == []
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
}


@pytest.mark.parametrize(("changes", "code"), REFUSED_OPENINGS.values(), ids=REFUSED_OPENINGS)
async def test_an_opening_that_cannot_be_met_is_refused(served: Served, changes: Any, code: str) -> None:
    assert await served.hear(opening(**changes), step(0, hidden())) == [Failure(code)]
    assert await serves_the_next_client(served)


STRANGE_BEGINNINGS = {
    "a step": step(0, hidden()),
    "a forward": said(Forward(()), hidden=hidden()),
    "a reply": said(Failure("failed")),
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
    assert await served.hear(data) == [Failure("broken-frame")]
    assert await serves_the_next_client(served)


@pytest.mark.parametrize("length", range(0, len(opening()), 7))
async def test_an_opening_that_breaks_off_ends_the_stream(served: Served, length: int) -> None:
    assert await served.hear(opening()[:length]) == []
    assert await serves_the_next_client(served)


BAD_REQUESTS = {
    "a gap": (step(5, hidden(tokens=1)), "position-gap"),
    "another batch": (step(4, hidden(batch=2, tokens=1)), "position-gap"),
    "more sequences than agreed": (step(0, hidden(batch=5)), "broken-frame"),
    "more tokens than agreed": (step(4, hidden(tokens=61)), "broken-frame"),
    "another width": (step(4, torch.zeros(1, 1, HIDDEN + 1)), "broken-frame"),
    "another dtype": (step(4, hidden().half()), "broken-frame"),
    "no tokens": (step(4, hidden(tokens=0)), "broken-frame"),
    "a mask that does not fit": (
        step(4, hidden(tokens=1), attention_mask=torch.ones(1, 4, dtype=torch.bool)),
        "broken-frame",
    ),
    "a forward": (said(Forward(()), hidden=hidden()), "broken-frame"),
    "another opening": (opening(), "broken-frame"),
    "strange bytes": (b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n", "broken-frame"),
    "a huge body": (struct.pack(">IQ", 10, 1 << 60) + bytes(100), "broken-frame"),
    "beams that are not there": (step(4, hidden(tokens=1), beam_idx=torch.tensor([7])), "broken-frame"),
    "beams before the first": (step(4, hidden(tokens=1), beam_idx=torch.tensor([-9])), "broken-frame"),
    "more memory than there is": (step(0, hidden(batch=4, tokens=60)), "server-full"),
}


@pytest.mark.parametrize(("data", "code"), BAD_REQUESTS.values(), ids=BAD_REQUESTS)
async def test_a_request_that_was_not_agreed_ends_its_session(served: Served, data: bytes, code: str) -> None:
    agreed, output, *rest = await served.hear(opening(), step(0, hidden()), data, step(4, hidden(tokens=1)))
    assert agreed == OPENED
    assert output.shape == (1, 4, HIDDEN)
    assert rest == [Failure(code)]
    assert await serves_the_next_client(served)


async def test_a_stateless_stream_takes_no_steps(served: Served) -> None:
    assert await served.hear(opening(kind="stateless"), step(0, hidden())) == [OPENED, Failure("broken-frame")]


@pytest.mark.parametrize("length", [1, 12, 20, 60, 300, -1])
async def test_a_step_that_breaks_off_ends_its_session(served: Served, length: int) -> None:
    replies = await served.hear(opening(), step(0, hidden()), step(4, hidden(tokens=2))[:length])
    assert len(replies) == 2
    assert await serves_the_next_client(served)


async def test_strange_numbers_in_the_tensors_harm_nobody_else(served: Served) -> None:
    wild = torch.full((1, 4, HIDDEN), float("nan"))
    far = torch.full((1, 4), (1 << 62), dtype=torch.int64)
    blind = torch.zeros(1, 4, dtype=torch.bool)
    replies = await served.hear(opening(), step(0, wild, position_ids=far, attention_mask=blind))
    assert len(replies) == 2
    assert await serves_the_next_client(served)


async def test_sessions_side_by_side_share_the_memory(served: Served) -> None:
    waiting = asyncio.StreamReader()
    waiting.feed_data(opening() + step(0, hidden(batch=4, tokens=40)))
    writer = FakeWriter()
    async with asyncio.TaskGroup() as group:
        first = group.create_task(served.server.serve(Stream("12D3KooWfirst", waiting, writer)))  # type: ignore[arg-type]
        await writer.answers.acquire()
        await writer.answers.acquire()
        assert served.budget.used_tokens == 160
        assert served.server.counts.sessions == 1
        assert await served.hear(opening(), step(0, hidden(tokens=41))) == [OPENED, Failure("server-full")]
        _, output = await served.hear(opening(), step(0, hidden(tokens=40)))
        assert output.shape == (1, 40, HIDDEN)
        first.cancel()
    assert served.budget.used_tokens == 0
    assert served.server.counts.sessions == 0


async def test_a_client_that_says_nothing_is_waited_for_no_longer_than_the_limit(served: Served) -> None:
    impatient = SpanServer(MODEL, served.span, served.compute, served.budget, ServingLimits(opening_s=0))
    served.server = impatient
    assert await served.hear(hangs_up=False) == []


async def test_a_session_that_falls_silent_is_ended_after_the_limit(served: Served) -> None:
    impatient = SpanServer(MODEL, served.span, served.compute, served.budget, ServingLimits(idle_s=0))
    served.server = impatient
    assert await served.hear(opening(), hangs_up=False) == [OPENED]
    assert impatient.counts.sessions == 0


async def test_a_client_that_went_away_before_its_answer_leaves_nothing_behind(served: Served) -> None:
    await served.hear(opening(), step(0, hidden()), writer=FakeWriter(fails_with=ConnectionResetError()))
    assert await serves_the_next_client(served)


async def test_a_refused_client_that_went_away_is_no_defect_of_ours(served: Served) -> None:
    await served.hear(opening(model="another"), writer=FakeWriter(fails_with=ConnectionResetError()))


async def test_a_client_that_takes_no_answers_is_waited_for_no_longer_than_the_limit(served: Served) -> None:
    served.server = SpanServer(MODEL, served.span, served.compute, served.budget, ServingLimits(0, 0))
    async with asyncio.timeout(0.5):
        await served.hear(opening(), step(0, hidden()), writer=FakeWriter(is_stuck=True))
