"""Sessions that wait together are computed together; who leaves or fails harms nobody else."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch

from fakes.models import HIDDEN
from meadow_client.models.description import describe
from meadow_engine.batching.passes import SHORT_STEP_TOKENS
from meadow_engine.batching.rhythm import LONGEST_RIDE_S
from meadow_engine.runtime.batcher import Batcher, Customer, Output
from meadow_engine.runtime.device import ComputeThread
from meadow_engine.runtime.requests import SessionState
from meadow_engine.runtime.span import LoadOptions, Span

FIRST, LAST = 1, 5


@pytest.fixture(scope="module")
def span(tiny_model: Callable[[str], Path]) -> Span:
    return Span.load(describe(str(tiny_model("llama"))), FIRST, LAST, torch.device("cpu"), LoadOptions("float32"))


@pytest.fixture
def compute() -> Iterator[ComputeThread]:
    thread = ComputeThread(torch.device("cpu"))
    yield thread
    thread.close()


def hidden(batch: int = 1, tokens: int = 1, seed: int = 0) -> torch.Tensor:
    return torch.randn(batch, tokens, HIDDEN, generator=torch.Generator().manual_seed(seed))


@dataclass(eq=False)
class Session:
    """A session and what it was given."""

    batcher: Batcher
    span: Span
    start: int = FIRST
    end: int = LAST
    priority: int = 1
    outputs: list[Output] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.state = SessionState(self.span, self.start, self.end)
        self.customer = Customer(self.state, self.priority)

    async def step(self, position: int, entering: torch.Tensor, **others: Any) -> torch.Tensor:
        self.outputs.clear()
        await self.batcher.step(self.customer, position, {"hidden": entering, **others}, self.outputs.append)
        return torch.cat([output.hidden for output in self.outputs], dim=1)

    def expected(self, text: torch.Tensor) -> torch.Tensor:
        return self.span.view(self.start, self.end).forward(text)


def close(ours: torch.Tensor, theirs: torch.Tensor) -> None:
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


@asynccontextmanager
async def held_up(batcher: Batcher) -> AsyncIterator[None]:
    """The compute thread does something else in this block, so that steps have to wait."""
    begin, has_begun = threading.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def hold() -> None:
        loop.call_soon_threadsafe(has_begun.set)
        begin.wait(30)

    async with asyncio.TaskGroup() as group:
        group.create_task(batcher.run_alone(hold))
        await has_begun.wait()
        try:
            yield
            await _settle()
        finally:
            begin.set()


async def _settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_steps_that_wait_together_share_a_pass(span: Span, compute: ComputeThread) -> None:
    batcher = Batcher(compute)
    sessions = [Session(batcher, span) for _ in range(4)]
    texts = [hidden(1 + index % 2, 1 + index, seed=index) for index in range(4)]
    async with asyncio.TaskGroup() as group, held_up(batcher):
        tasks = [group.create_task(s.step(0, text)) for s, text in zip(sessions, texts, strict=True)]
    assert (batcher.counts.passes, batcher.counts.steps) == (1, 4)
    assert batcher.counts.tokens == sum(text.shape[0] * text.shape[1] for text in texts)
    for session, task, text in zip(sessions, tasks, texts, strict=True):
        close(task.result(), session.expected(text))
        assert session.outputs[0].queue_s >= 0
        assert session.outputs[0].compute_s > 0


async def test_a_session_goes_on_where_it_was(span: Span, compute: ComputeThread) -> None:
    session, text = Session(Batcher(compute), span), hidden(tokens=10)
    parts = [
        await session.step(0, text[:, :8]),
        await session.step(8, text[:, 8:9]),
        await session.step(9, text[:, 9:]),
    ]
    close(torch.cat(parts, dim=1), session.expected(text))


async def test_sessions_of_other_layers_have_passes_of_their_own(span: Span, compute: ComputeThread) -> None:
    batcher = Batcher(compute)
    one, other = Session(batcher, span), Session(batcher, span, start=2)
    async with asyncio.TaskGroup() as group, held_up(batcher):
        first, second = (group.create_task(session.step(0, hidden(tokens=3))) for session in (one, other))
    assert batcher.counts.passes == 2
    close(first.result(), one.expected(hidden(tokens=3)))
    close(second.result(), other.expected(hidden(tokens=3)))


async def test_a_prompt_is_run_at_once_where_nobody_chats(span: Span, compute: ComputeThread) -> None:
    session = Session(Batcher(compute), span)
    await session.step(0, hidden(tokens=300))
    assert len(session.outputs) == 1


async def test_a_prompt_beside_a_chat_is_run_in_parts_that_are_handed_on_in_order(
    span: Span, compute: ComputeThread
) -> None:
    batcher = Batcher(compute)
    chat, other = Session(batcher, span), Session(batcher, span)
    text, answer = hidden(tokens=300), hidden(tokens=6, seed=1)
    mask = torch.ones(1, 300, dtype=torch.bool)
    mask[0, :2] = False
    await chat.step(0, answer[:, :5])
    async with asyncio.TaskGroup() as group, held_up(batcher):
        prompt = group.create_task(other.step(0, text, attention_mask=mask))
        word = group.create_task(chat.step(5, answer[:, 5:]))
    assert len(other.outputs) > 1
    lengths = [output.hidden.shape[1] for output in other.outputs]
    assert [output.position for output in other.outputs] == [sum(lengths[:index]) for index in range(len(lengths))]
    close(prompt.result()[:, 2:], span.view(FIRST, LAST).forward(text, attention_mask=mask)[:, 2:])
    close(word.result(), chat.expected(answer)[:, 5:])
    assert batcher.counts.steps == 3


async def test_a_chat_does_not_wait_for_the_end_of_a_prompt(span: Span, compute: ComputeThread) -> None:
    batcher = Batcher(compute)
    chat, other = Session(batcher, span), Session(batcher, span)
    await chat.step(0, hidden())
    order: list[str] = []

    async def ask(name: str, session: Session, position: int, entering: torch.Tensor) -> None:
        await session.step(position, entering)
        order.append(name)

    async with asyncio.TaskGroup() as group, held_up(batcher):
        group.create_task(ask("prompt", other, 0, hidden(tokens=400)))
        group.create_task(ask("word", chat, 1, hidden()))
    assert order == ["word", "prompt"]


async def test_a_step_that_is_cancelled_while_it_waits_is_dropped(span: Span, compute: ComputeThread) -> None:
    batcher = Batcher(compute)
    leaving, staying = Session(batcher, span), Session(batcher, span)
    async with asyncio.TaskGroup() as group, held_up(batcher):
        gone = group.create_task(leaving.step(0, hidden()))
        stays = group.create_task(staying.step(0, hidden()))
        await _settle()
        gone.cancel()
        await _settle()
        assert gone.done()
    assert leaving.outputs == []
    assert batcher.counts.tokens == 1
    close(stays.result(), staying.expected(hidden()))


async def test_a_step_that_is_cancelled_while_it_runs_lets_go_of_its_cache_only_after_the_pass(
    span: Span, compute: ComputeThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    batcher, loop = Batcher(compute), asyncio.get_running_loop()
    session, other = Session(batcher, span), Session(batcher, span)
    has_begun, goes_on = asyncio.Event(), threading.Event()
    prepare = session.state.prepare

    def slow(work: Any) -> Any:
        loop.call_soon_threadsafe(has_begun.set)
        goes_on.wait(30)
        return prepare(work)

    monkeypatch.setattr(session.state, "prepare", slow)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(session.step(0, hidden(tokens=600)))
        await has_begun.wait()
        task.cancel()
        await _settle()
        assert not task.done()
        follower = group.create_task(other.step(0, hidden()))
        goes_on.set()
    assert task.cancelled()
    assert session.outputs == []
    close(follower.result(), other.expected(hidden()))
    assert batcher.counts.passes == 2


async def test_a_prompt_that_is_cancelled_between_two_parts_is_not_run_on(span: Span, compute: ComputeThread) -> None:
    batcher = Batcher(compute)
    chat, other = Session(batcher, span), Session(batcher, span)
    await chat.step(0, hidden())
    had_part = asyncio.Event()
    tensors: Any = {"hidden": hidden(tokens=500)}
    async with asyncio.TaskGroup() as group:
        async with held_up(batcher):
            word = group.create_task(chat.step(1, hidden()))
            task = group.create_task(
                batcher.step(other.customer, 0, tensors, lambda output: (other.outputs.append(output), had_part.set()))
            )
        await had_part.wait()
        task.cancel()
    assert word.done()
    assert task.cancelled()
    assert sum(output.hidden.shape[1] for output in other.outputs) < 500


async def test_an_error_in_one_session_does_not_hurt_those_in_the_same_pass(span: Span, compute: ComputeThread) -> None:
    batcher = Batcher(compute)
    good, bad = Session(batcher, span), Session(batcher, span)
    async with held_up(batcher):
        tasks = [
            asyncio.ensure_future(good.step(0, hidden(tokens=2))),  # noqa: TID251 - ends within the test
            asyncio.ensure_future(bad.step(0, torch.zeros(1, 2, HIDDEN + 1))),  # noqa: TID251 - ends within the test
        ]
    output, error = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(error, RuntimeError)
    assert bad.outputs == []
    close(output, good.expected(hidden(tokens=2)))  # type: ignore[arg-type]
    close(await bad.step(0, hidden(tokens=2)), bad.expected(hidden(tokens=2)))


async def test_an_error_that_nobody_foresaw_is_told_to_everybody_in_the_pass_and_the_next_pass_runs(
    span: Span, compute: ComputeThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    batcher = Batcher(compute)
    session = Session(batcher, span)

    class SurpriseError(Exception):
        pass

    def surprise(_work: Any) -> Any:
        raise SurpriseError

    with monkeypatch.context() as patch:
        patch.setattr(session.state, "prepare", surprise)
        with pytest.raises(SurpriseError):
            await session.step(0, hidden())
    close(await session.step(0, hidden()), session.expected(hidden()))


async def test_other_work_is_done_between_two_passes_and_neither_waits_for_all_of_the_other(
    span: Span, compute: ComputeThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    batcher, order = Batcher(compute), []
    session = Session(batcher, span)
    prepare = session.state.prepare
    monkeypatch.setattr(session.state, "prepare", lambda work: (order.append("pass"), prepare(work))[1])

    async def chat() -> None:
        for position in range(4):
            await session.step(position, hidden())

    async with asyncio.TaskGroup() as group, held_up(batcher):
        group.create_task(chat())
        for _ in range(4):
            group.create_task(batcher.run_alone(order.append, "alone"))
    assert order == ["pass", "alone"] * 4


async def test_other_work_gives_its_result_or_raises(compute: ComputeThread) -> None:
    batcher = Batcher(compute)
    assert (await batcher.run_alone(divmod, 7, 3)).value == (2, 1)
    with pytest.raises(ZeroDivisionError):
        await batcher.run_alone(divmod, 7, 0)
    assert (await batcher.run_alone(divmod, 7, 3)).value == (2, 1)


async def test_other_work_that_is_cancelled_while_it_waits_is_not_done(compute: ComputeThread) -> None:
    batcher, done = Batcher(compute), []
    async with asyncio.TaskGroup() as group, held_up(batcher):
        gone = group.create_task(batcher.run_alone(done.append, "gone"))
        group.create_task(batcher.run_alone(done.append, "stays"))
        await _settle()
        gone.cancel()
    assert done == ["stays"]


async def test_closing_the_device_ends_those_who_wait(span: Span) -> None:
    compute = ComputeThread(torch.device("cpu"))
    batcher = Batcher(compute)
    begin = threading.Event()
    works = [
        asyncio.ensure_future(batcher.run_alone(begin.wait, 30)),  # noqa: TID251 - ends within the test
        asyncio.ensure_future(Session(batcher, span).step(0, hidden())),  # noqa: TID251 - ends within the test
        asyncio.ensure_future(Session(batcher, span, start=2).step(0, hidden())),  # noqa: TID251 - ends within the test
        asyncio.ensure_future(batcher.run_alone(divmod, 7, 3)),  # noqa: TID251 - ends within the test
    ]
    await _settle()
    closing = asyncio.ensure_future(asyncio.to_thread(compute.close))  # noqa: TID251 - ends within the test
    begin.set()
    await closing
    async with asyncio.timeout(5):
        ended = await asyncio.gather(*works, return_exceptions=True)
    assert all(isinstance(end, asyncio.CancelledError) for end in ended[1:3])


async def test_a_session_that_is_over_is_forgotten(span: Span, compute: ComputeThread) -> None:
    batcher = Batcher(compute)
    session = Session(batcher, span)
    await session.step(0, hidden(tokens=SHORT_STEP_TOKENS))
    state = weakref.ref(session.state)
    del session
    await batcher.run_alone(gc.collect)
    gc.collect()
    assert state() is None


async def test_a_prompt_does_not_wait_for_a_chat_that_is_over(span: Span, compute: ComputeThread) -> None:
    batcher = Batcher(compute)
    chat, other = Session(batcher, span), Session(batcher, span)
    await chat.step(0, hidden(tokens=5))
    for position in range(5, 9):
        await chat.step(position, hidden())
    batcher.forget(chat.customer)
    began_s = asyncio.get_running_loop().time()
    await other.step(0, hidden(tokens=30))
    assert asyncio.get_running_loop().time() - began_s < LONGEST_RIDE_S
