"""Who spoils a step is blamed for it, and nobody else; what was answered before that stands."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from typing import Any

import pytest
import torch

from fakes.pipelines import WIDTH, Servers, hidden, route, servers, settle, stepping
from fakes.streams import flat, hear
from meadow_client.errors import MeadowError, ServerLostError, ServerRefusedError
from meadow_client.session.job import Job
from meadow_client.session.pipeline import LinkLostError, NotRetainedError, Pipeline, PipelineOptions
from meadow_client.wire import frames
from meadow_client.wire.messages import Failure, Notice, Opened, Resend, Result

NEXT_LOST = Notice("next-lost", 0)
FAILURES: dict[str, tuple[int, Callable[[Servers], None], type[MeadowError], str]] = {
    "the first refuses": (0, lambda s: s.say(0, flat(Failure("server-full"))), ServerRefusedError, "first"),
    "the middle one refuses": (1, lambda s: s.say(1, flat(Failure("failed"))), ServerRefusedError, "second"),
    "the last one refuses": (2, lambda s: s.say(2, flat(Failure("failed"))), ServerRefusedError, "third"),
    "the first hangs up": (0, lambda s: s.ends[0].writer.close(), ServerLostError, "first"),
    "the middle one hangs up": (1, lambda s: s.ends[1].writer.close(), ServerLostError, "second"),
    "the last one hangs up": (2, lambda s: s.ends[2].writer.close(), ServerLostError, "third"),
    "the last one says it lost a next": (2, lambda s: s.say(2, flat(NEXT_LOST)), ServerLostError, "third"),
    "one was not asked to send anything again": (
        1,
        lambda s: s.say(1, flat(Notice("not-retained", 0))),
        ServerLostError,
        "second",
    ),
    "one that should be silent answers": (0, lambda s: s.answer(0, 0, hidden()), ServerLostError, "first"),
    "one agrees again": (1, lambda s: s.say(1, flat(Opened(4, "float32", 64))), ServerLostError, "second"),
}


@pytest.mark.parametrize(("who", "fail", "kind", "blamed"), FAILURES.values(), ids=FAILURES)
async def test_a_failure_on_any_stream_ends_the_step_and_is_blamed_on_the_right_server(
    who: int, fail: Callable[[Servers], None], kind: type[MeadowError], blamed: str
) -> None:
    async with servers(3) as swarm:
        async with stepping(swarm.step(0, {"hidden": hidden()})) as step:
            await swarm.take()
            fail(swarm)
        with pytest.raises(kind) as caught:
            step.result()
        assert type(caught.value) is kind
        assert caught.value.peer == blamed  # type: ignore[attr-defined]
        with pytest.raises(kind):
            await swarm.step(1, {"hidden": hidden()})
        assert [hop.leg.peer for hop in swarm.pipeline.hops if hop.failed is not None] == [blamed]


@pytest.mark.parametrize("who", [0, 1])
async def test_servers_that_do_not_reach_each_other_any_more_are_not_to_blame(who: int) -> None:
    async with servers(3) as swarm:
        async with stepping(swarm.step(0, {"hidden": hidden()})) as step:
            await swarm.take()
            swarm.say(who, flat(NEXT_LOST))
        with pytest.raises(LinkLostError):
            step.result()
        assert [hop.is_linked for hop in swarm.pipeline.hops] == [who != 0, who != 1, False]
        assert not any(hop.failed for hop in swarm.pipeline.hops)
        goes_on = Pipeline(swarm.pipeline.hops, swarm.pipeline.members, PipelineOptions(), epoch=1)
        assert goes_on.trips == 2


async def test_what_belongs_to_an_earlier_epoch_is_passed_over() -> None:
    async with servers(2) as swarm:
        swarm.pipeline = Pipeline(swarm.pipeline.hops, swarm.pipeline.members, PipelineOptions(), epoch=3)
        leaving = hidden()
        async with stepping(swarm.step(0, {"hidden": hidden()})) as step:
            assert (await swarm.take())[0].epoch == 3
            swarm.say(0, flat(Notice("next-lost", 2)))
            swarm.answer(1, 0, hidden(), epoch=2)
            swarm.answer(1, 0, hidden(1, 5), epoch=1)
            swarm.answer(1, 0, leaving, epoch=3)
        assert torch.equal(step.result(), leaving)


async def test_a_step_that_broke_off_goes_on_where_the_last_answer_came() -> None:
    entering, leaving = hidden(1, 10), hidden(1, 10)
    job = Job(3, {"hidden": entering}, keep_from=5, order=7)
    async with servers(1, PipelineOptions(piece_tokens=4)) as swarm:
        async with stepping(swarm.pipeline.run(job)) as step:
            await swarm.take()
            swarm.answer(0, 3, leaving[:, 2:4], tokens=4)
            swarm.answer(0, 7, leaving[:, 4:5])
            await settle()
            swarm.ends[0].writer.close()
        assert isinstance(step.exception(), ServerLostError)
    assert (job.done, job.next_position, job.is_answered) == (5, 8, False)
    async with servers(1, PipelineOptions(piece_tokens=4)) as swarm:
        async with stepping(swarm.pipeline.run(job)) as step:
            for position, last in ((8, 9), (12, 10)):
                taken, tensors = await swarm.take()
                assert (taken.position, taken.keep_from, taken.order) == (position, 5, 7)
                assert torch.equal(tensors["hidden"], entering[:, position - 3 : last])
                swarm.answer(0, position, leaving[:, position - 3 : last])
        assert torch.equal(step.result(), leaving[:, 2:])
    assert job.is_answered


async def test_a_server_before_is_asked_to_send_again_what_it_sent() -> None:
    async with servers(3) as swarm:
        first, *gap = swarm.pipeline.hops
        part = Pipeline(gap, swarm.pipeline.members[1:], PipelineOptions(), epoch=2, source=first)
        async with stepping(part.refill(9, 2)) as refilling:
            asked, _ = await hear(swarm.ends[0], frames.request_decoder)
            assert isinstance(asked, Resend)
            assert (asked.end, asked.epoch, asked.route) == (9, 2, route("second", "third"))
            for position, tokens in ((0, 5), (5, 4)):
                swarm.answer(2, position, hidden(2, 0), tokens, epoch=2)
        assert refilling.exception() is None


@pytest.mark.parametrize(
    ("fail", "kind"),
    [
        (lambda s: s.say(0, flat(Notice("not-retained", 2))), NotRetainedError),
        (lambda s: s.say(0, flat(Notice("next-lost", 2))), LinkLostError),
        (lambda s: s.ends[0].writer.close(), ServerLostError),
        (lambda s: s.ends[2].writer.close(), ServerLostError),
        (lambda s: s.answer(2, 0, hidden(2, 0), 10, epoch=2), ServerLostError),
        (lambda s: s.answer(0, 0, hidden(2, 0), 9, epoch=2), ServerLostError),
    ],
    ids=["not retained", "not reached", "the source died", "the new one died", "too much", "the wrong one"],
)
async def test_a_refill_that_fails_says_why(fail: Callable[[Servers], None], kind: type[MeadowError]) -> None:
    async with servers(3) as swarm:
        first, *gap = swarm.pipeline.hops
        part = Pipeline(gap, swarm.pipeline.members[1:], PipelineOptions(), epoch=2, source=first)
        async with stepping(part.refill(9, 2)) as refilling:
            await hear(swarm.ends[0], frames.request_decoder)
            fail(swarm)
        assert type(refilling.exception()) is kind


async def test_servers_that_are_not_linked_cannot_be_refilled_in_one_go() -> None:
    async with servers(3, linked=[True, False, False]) as swarm:
        first, *gap = swarm.pipeline.hops
        with pytest.raises(NotRetainedError):
            await Pipeline(gap, swarm.pipeline.members[1:], PipelineOptions(), epoch=2, source=first).refill(9, 2)


async def test_a_server_that_died_between_two_steps_is_blamed_by_the_next_one() -> None:
    async with servers(2) as swarm:
        swarm.say(1, flat(Failure("failed")))
        await settle()
        with pytest.raises(ServerRefusedError):
            await swarm.step(0, {"hidden": hidden()})
        with pytest.raises(ServerRefusedError):
            swarm.raise_if_failed()


async def test_a_failure_ends_a_prompt_whose_pieces_wait_for_the_window() -> None:
    async with servers(1, PipelineOptions(piece_tokens=1)) as swarm:
        async with stepping(swarm.step(0, {"hidden": hidden(1, 30)})) as step:
            for _ in range(8):
                await swarm.take()
            swarm.say(0, flat(Failure("failed")))
        with pytest.raises(ServerRefusedError):
            step.result()


def answer_both(swarm: Servers, *answers: tuple[int, torch.Tensor, int]) -> None:
    for answer in answers:
        swarm.answer(1, *answer)


WRONG_RESULTS: dict[str, Callable[[Servers], None]] = {
    "from further on": lambda s: s.answer(1, 1, hidden(1, 2)),
    "from before": lambda s: s.answer(1, 9, hidden(1, 2)),
    "more tokens than were sent": lambda s: s.answer(1, 10, hidden(1, 5)),
    "no tokens": lambda s: s.answer(1, 10, hidden(1, 0)),
    "fewer kept than wanted": lambda s: s.answer(1, 10, hidden(1, 1), tokens=4),
    "more kept than wanted": lambda s: s.answer(1, 10, hidden(1, 3), tokens=4),
    "another batch": lambda s: s.answer(1, 10, hidden(2, 2), tokens=4),
    "another width": lambda s: s.say(1, flat(Result((), (), 10, 4), hidden=torch.zeros(1, 2, WIDTH + 1))),
    "no scale": lambda s: s.say(1, flat(Result((), (), 10, 4), hidden=torch.zeros(1, 2, WIDTH, dtype=torch.int8))),
    "the same part twice": lambda s: answer_both(s, (10, hidden(1, 0), 2), (10, hidden(1, 0), 2)),
    "one too many": lambda s: answer_both(s, (10, hidden(1, 2), 4), (14, hidden(1, 1), 1)),
}


@pytest.mark.parametrize("lie", WRONG_RESULTS.values(), ids=WRONG_RESULTS)
async def test_a_result_that_was_not_asked_for_is_refused(lie: Callable[[Servers], None]) -> None:
    async with servers(2) as swarm:
        async with stepping(swarm.step(10, {"hidden": hidden(1, 4)}, 12)):
            await swarm.take()
            lie(swarm)
        await settle()
        with pytest.raises(ServerLostError, match="no answer") as caught:
            swarm.raise_if_failed()
        assert caught.value.peer == "second"
        assert [hop.failed is None for hop in swarm.pipeline.hops] == [True, False]


async def test_a_server_that_ends_with_its_answer_has_answered() -> None:
    job = Job(0, {"hidden": hidden(1, 2)})
    leaving = hidden(1, 2)
    async with servers(2) as swarm:
        async with stepping(swarm.pipeline.run(job)) as step:
            await swarm.take()
            swarm.answer(1, 0, leaving)
            swarm.ends[1].writer.close()
        assert isinstance(step.exception(), ServerLostError)
    assert job.is_answered
    assert torch.equal(job.output(), leaving)


async def test_failures_that_nobody_waits_for_are_not_reported_as_forgotten() -> None:
    forgotten: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: forgotten.append(context))
    async with servers(2, PipelineOptions(piece_tokens=1)) as swarm:
        async with stepping(swarm.step(0, {"hidden": hidden(1, 6)})) as step:
            await swarm.take()
            swarm.say(0, flat(Failure("failed")))
        assert isinstance(step.exception(), ServerRefusedError)
    async with servers(2) as swarm:
        async with stepping(swarm.step(0, {"hidden": hidden()})) as step:
            await swarm.take()
            step.cancel()
        swarm.say(1, flat(Failure("failed")))
        await settle()
    del step, swarm
    gc.collect()
    await settle()
    assert forgotten == []
