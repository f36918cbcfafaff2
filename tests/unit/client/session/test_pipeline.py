"""Steps go to the first server and come back from the last one, whole and in order; who spoils that is blamed.

A server is the far end of a stream, and the test speaks for it.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import pytest
import torch

from fakes.streams import flat, hear, stream_pair
from fakes.virtual_time import in_virtual_time
from meadow_client.errors import MeadowError, ServerLostError, ServerRefusedError
from meadow_client.routing.chains import Leg
from meadow_client.session import codec_choice
from meadow_client.session.chain import Member
from meadow_client.session.codec import pack, unpack
from meadow_client.session.hop import Hop
from meadow_client.session.job import Job, slice_step
from meadow_client.session.pipeline import LinkLostError, NotRetainedError, Pipeline, PipelineOptions
from meadow_client.swarm.node import Stream
from meadow_client.wire import frames
from meadow_client.wire.checks import Terms
from meadow_client.wire.messages import (
    Address,
    Failure,
    Notice,
    Opened,
    Ping,
    Pong,
    Queued,
    Resend,
    Result,
    Step,
    Timing,
)

WIDTH = 4
NAMES = ["first", "second", "third", "fourth"]


def session_of(name: str) -> str:
    """The id that the session has on a server."""
    return f"{NAMES.index(name):032x}"


def route(*names: str) -> tuple[Address, ...]:
    return tuple(Address(name, session_of(name)) for name in names)


@dataclass
class Servers:
    """The far ends of a pipeline's streams, and what its listener was told."""

    pipeline: Pipeline
    ends: list[Stream]
    told: list[tuple[Member, Queued]]

    async def step(self, position: int, tensors: Any, keep_from: int = 0) -> torch.Tensor:
        return await self.pipeline.run(Job(position, tensors, keep_from))

    def raise_if_failed(self) -> None:
        if self.pipeline.failed is not None:
            raise self.pipeline.failed

    async def aclose(self) -> None:
        await asyncio.gather(*(hop.aclose() for hop in self.pipeline.hops))

    async def take(self, index: int = 0) -> tuple[Step, dict[str, torch.Tensor]]:
        """The next step that a server is given; it answers pings."""
        while isinstance((step := await hear(self.ends[index], frames.request_decoder))[0], Ping):
            self.say(index, flat(Pong()))
        assert isinstance(step[0], Step)
        return step

    def say(self, index: int, data: bytes) -> None:
        self.ends[index].writer.write(data)

    def answer(
        self, index: int, position: int, hidden: torch.Tensor, tokens: int | None = None, epoch: int = 0
    ) -> None:
        """A result for `tokens` tokens of which `hidden` are wanted."""
        done = hidden.shape[1] if tokens is None else tokens
        self.say(index, flat(Result((), (Timing(0.5, 0.25),), position, done, epoch), hidden=hidden))

    async def stay_alive(self, who: Sequence[int] = (0, 1)) -> None:
        """Let these servers answer pings, and nothing else, for ever."""

        async def answer_pings(index: int) -> None:
            while True:
                message, _ = await hear(self.ends[index], frames.request_decoder)
                if isinstance(message, Ping):
                    self.say(index, flat(Pong()))

        await asyncio.gather(*(answer_pings(index) for index in who))


@asynccontextmanager
async def servers(
    count: int = 2,
    options: PipelineOptions | None = None,
    linked: list[bool] | None = None,
    max_step_tokens: list[int] | None = None,
) -> AsyncIterator[Servers]:
    """A pipeline through so many servers; afterwards nothing of it is left."""
    pairs = [stream_pair(there=NAMES[index]) for index in range(count)]
    reached = linked or [True] * (count - 1) + [False]
    most = max_step_tokens or [64] * count
    legs = [Leg(NAMES[index], index, index + 1) for index in range(count)]
    hops = [
        Hop(near, leg, Terms("session", 8, 1000, WIDTH, "float32", bound), 60.0, is_linked, session_of(leg.peer))
        for (near, _far), leg, bound, is_linked in zip(pairs, legs, most, reached, strict=True)
    ]
    told: list[tuple[Member, Queued]] = []
    members = [Member(leg, f"{leg.peer}'s") for leg in legs]
    before = asyncio.all_tasks()
    for hop in hops:
        hop._start_hearing()
    pipeline = Pipeline(hops, members, options or PipelineOptions(), lambda *heard: told.append(heard))
    swarm = Servers(pipeline, [far for _near, far in pairs], told)
    try:
        yield swarm
    finally:
        await swarm.aclose()
        assert all(near.writer.is_closed for near, _far in pairs)  # type: ignore[attr-defined]
        await asyncio.sleep(0)
        assert asyncio.all_tasks() <= before


def hidden(batch: int = 1, tokens: int = 1) -> torch.Tensor:
    return torch.randn(batch, tokens, WIDTH)


@asynccontextmanager
async def stepping(coroutine: Coroutine[Any, Any, Any]) -> AsyncIterator[asyncio.Task[Any]]:
    """A step under way; it has ended, well or not, when the block ends."""
    task = asyncio.ensure_future(coroutine)  # noqa: TID251 - ends with the block
    try:
        yield task
        await asyncio.wait([task])
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError, MeadowError):
            await task


async def test_a_step_goes_to_the_first_server_with_its_route_and_comes_back_from_the_last() -> None:
    async with servers(3) as swarm:
        entering, leaving = hidden(2, 3), hidden(2, 3)
        async with stepping(swarm.step(5, {"hidden": entering})) as step:
            taken, tensors = await swarm.take()
            assert (taken.position, taken.route, taken.keep_from) == (5, route("second", "third"), 0)
            assert torch.equal(tensors["hidden"], entering)
            swarm.answer(2, 5, leaving)
        assert torch.equal(step.result(), leaving)
        assert swarm.pipeline.trips == 1
        assert swarm.pipeline.compute_s() == 0.25


async def test_an_answer_comes_in_the_callers_dtype() -> None:
    async with servers(1) as swarm:
        async with stepping(swarm.step(0, {"hidden": hidden()})) as step:
            await swarm.take()
            swarm.answer(0, 0, hidden().bfloat16())
        assert step.result().dtype == torch.float32


async def test_hidden_states_travel_as_int8_if_the_client_says_so() -> None:
    async with servers(1, PipelineOptions(codec="int8")) as swarm:
        entering, leaving = hidden(1, 3), hidden(1, 3)
        async with stepping(swarm.step(0, {"hidden": entering})) as step:
            taken, tensors = await swarm.take()
            expected = pack(entering, "int8")
            assert taken.codec == "int8"
            assert torch.equal(tensors["hidden"], expected["hidden"])
            assert torch.equal(tensors["scale"], expected["scale"])
            swarm.say(0, flat(Result((), (), 0, 3), **pack(leaving, "int8")))
        assert torch.equal(step.result(), unpack(pack(leaving, "int8"), torch.float32, torch.device("cpu")))


async def codecs_of_pieces(swarm: Servers, *timings: Timing) -> list[str]:
    """The codecs of a prompt's ten pieces, of which the last two are sent when two were answered."""
    codecs: list[str] = []
    async with stepping(swarm.step(0, {"hidden": hidden(1, 320)})) as step:
        while len(codecs) < 10:
            piece, tensors = await swarm.take()
            assert ("scale" in tensors) == (piece.codec == "int8")
            codecs.append(piece.codec)
            if len(codecs) >= 8:
                say_part(swarm, 32 * (len(codecs) - 8), *timings)
        step.cancel()
    return codecs


def say_part(swarm: Servers, position: int, *timings: Timing) -> None:
    swarm.say(len(swarm.ends) - 1, flat(Result((), timings, position, 32), hidden=hidden(1, 32)))


AUTO = PipelineOptions(codec="auto", piece_tokens=32)
FAST, SLOW = Timing(0.0, 0.1, 0.05), Timing(0.0, 0.1, 0.5)


@pytest.mark.parametrize("timings", [(SLOW, FAST), (FAST, SLOW)], ids=["to the first", "between them"])
async def test_pieces_become_int8_once_a_link_turns_out_slower_than_the_servers(
    timings: tuple[Timing, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(codec_choice, "MEASURED_BYTES", 1)
    async with servers(2, AUTO) as swarm:
        assert await codecs_of_pieces(swarm, *timings) == ["raw"] * 8 + ["int8"] * 2


@pytest.mark.parametrize("codec", ["raw", "int8"])
async def test_a_codec_that_somebody_chose_stays_whatever_links_do(codec: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codec_choice, "MEASURED_BYTES", 1)
    timings = (SLOW, SLOW) if codec == "raw" else (FAST, FAST)
    async with servers(2, PipelineOptions(codec=codec, piece_tokens=32)) as swarm:
        assert await codecs_of_pieces(swarm, *timings) == [codec] * 10


@pytest.mark.parametrize(
    "timings",
    [(), (FAST, FAST), (FAST,), (SLOW, Timing(0.0, 9.0, 0.0)), (Timing(0.0, float("nan"), float("nan")),) * 2],
    ids=["nothing is known", "fast links", "half is known", "a slower server", "nonsense"],
)
async def test_pieces_stay_raw_where_no_link_is_the_bottleneck(
    timings: tuple[Timing, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(codec_choice, "MEASURED_BYTES", 1)
    async with servers(2, AUTO) as swarm:
        assert await codecs_of_pieces(swarm, *timings) == ["raw"] * 10


@in_virtual_time
async def test_how_long_results_take_is_measured_by_the_client() -> None:
    tokens = 4096
    options = PipelineOptions(codec="auto", piece_tokens=0, silence_s=1000)
    async with servers(1, options, max_step_tokens=[tokens]) as swarm:
        chosen = []
        for position in range(0, 3 * tokens, tokens):
            async with stepping(swarm.step(position, {"hidden": hidden(1, tokens)})):
                chosen.append((await swarm.take())[0].codec)
                answer = flat(Result((), (Timing(0.0, 1.0),), position, tokens), hidden=hidden(1, tokens))
                swarm.say(0, answer[:-1])
                await asyncio.sleep(0.5 if position == 0 else 4.0)
                swarm.say(0, answer[-1:])
        assert chosen == ["raw", "raw", "int8"]


async def test_a_slow_link_on_one_side_of_the_client_leaves_the_other_side_exact(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(codec_choice, "MEASURED_BYTES", 1)
    async with servers(2, AUTO, linked=[False, False]) as swarm:
        for position, expected in ((0, ["raw", "raw"]), (32, ["raw", "int8"])):
            chosen = []
            async with stepping(swarm.step(position, {"hidden": hidden(1, 32)})):
                for index, timing in ((0, FAST), (1, SLOW)):
                    chosen.append((await swarm.take(index))[0].codec)
                    swarm.say(index, flat(Result((), (timing,), position, 32), hidden=hidden(1, 32)))
            assert chosen == expected


async def test_only_what_is_wanted_comes_back() -> None:
    async with servers(2) as swarm:
        leaving = hidden(1, 1)
        async with stepping(swarm.step(10, {"hidden": hidden(1, 5)}, 14)) as step:
            taken, _ = await swarm.take()
            assert taken.keep_from == 14
            swarm.answer(1, 10, leaving, tokens=5)
        assert torch.equal(step.result(), leaving)


async def test_parts_of_a_step_are_joined() -> None:
    async with servers(2) as swarm:
        leaving = hidden(2, 6)
        async with stepping(swarm.step(0, {"hidden": hidden(2, 6)})) as step:
            await swarm.take()
            swarm.answer(1, 0, leaving[:, :1])
            swarm.answer(1, 1, leaving[:, 1:4])
            await asyncio.sleep(0)
            assert not step.done()
            swarm.answer(1, 4, leaving[:, 4:])
        assert torch.equal(step.result(), leaving)
        assert swarm.pipeline.compute_s() == 0.75


async def test_parts_of_which_some_are_not_wanted_are_joined() -> None:
    async with servers(1) as swarm:
        leaving = hidden(1, 3)
        async with stepping(swarm.step(0, {"hidden": hidden(1, 6)}, 3)) as step:
            await swarm.take()
            swarm.answer(0, 0, leaving[:, :0], tokens=2)
            swarm.answer(0, 2, leaving[:, :1], tokens=2)
            swarm.answer(0, 4, leaving[:, 1:], tokens=2)
        assert torch.equal(step.result(), leaving)


async def test_a_long_prompt_travels_in_pieces_one_behind_the_other() -> None:
    async with servers(2, PipelineOptions(piece_tokens=4)) as swarm:
        entering, leaving = hidden(1, 10), hidden(1, 10)
        async with stepping(swarm.step(3, {"hidden": entering})) as step:
            taken = [await swarm.take() for _ in range(3)]  # none was answered yet
            assert [piece.position for piece, _ in taken] == [3, 7, 11]
            assert torch.equal(torch.cat([tensors["hidden"] for _, tensors in taken], dim=1), entering)
            for position, last in ((3, 4), (7, 8), (11, 10)):
                swarm.answer(1, position, leaving[:, position - 3 : last])
        assert torch.equal(step.result(), leaving)


async def test_no_more_pieces_than_the_window_are_unanswered() -> None:
    async with servers(1, PipelineOptions(piece_tokens=1)) as swarm:
        entering = hidden(1, 20)
        async with stepping(swarm.step(0, {"hidden": entering})) as step:
            for position in range(20):
                if position >= 8:
                    await _settle()
                    # Eight are under way: the next one comes only after an answer.
                    assert swarm.ends[0].reader._buffer == b""  # type: ignore[attr-defined]
                    swarm.answer(0, position - 8, entering[:, position - 8 : position - 7])
                assert (await swarm.take())[0].position == position
            for position in range(12, 20):
                swarm.answer(0, position, entering[:, position : position + 1])
        assert torch.equal(step.result(), entering)


async def _settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_pieces_take_along_what_belongs_to_them() -> None:
    mask = torch.ones(2, 13, dtype=torch.bool)
    mask[1, 0] = False
    positions = torch.arange(100, 110).expand(2, 10)
    order = torch.tensor([1, 0])
    async with servers(1, PipelineOptions(piece_tokens=4)) as swarm:
        tensors = {
            "hidden": hidden(2, 10),
            "position_ids": positions,
            "attention_mask": mask,
            "beam_idx": order,
        }
        async with stepping(swarm.step(3, tensors)) as step:  # type: ignore[arg-type]
            pieces = [(await swarm.take())[1] for _ in range(3)]
            step.cancel()
    for first, piece in zip((0, 4, 8), pieces, strict=True):
        last = min(first + 4, 10)
        assert torch.equal(piece["position_ids"], positions[:, first:last])
        assert torch.equal(piece["attention_mask"], mask[:, : 3 + last])
    assert [piece["beam_idx"].tolist() if "beam_idx" in piece else None for piece in pieces] == [[1, 0], None, None]


@pytest.mark.parametrize(("batch", "sizes"), [(1, [6, 4]), (2, [3, 3, 3, 1]), (4, [1] * 10), (7, [1] * 10)], ids=str)
async def test_pieces_are_no_larger_than_any_server_takes(batch: int, sizes: list[int]) -> None:
    async with servers(3, PipelineOptions(piece_tokens=0), max_step_tokens=[64, 6, 9]) as swarm:
        entering = hidden(batch, 10)
        async with stepping(swarm.step(0, {"hidden": entering})) as step:
            seen, position = [], 0
            for _ in sizes:
                _piece, tensors = await swarm.take()
                tokens = tensors["hidden"].shape[1]
                seen.append(tokens)
                swarm.answer(2, position, tensors["hidden"])
                position += tokens
        assert torch.equal(step.result(), entering)
        assert seen == sizes
        assert swarm.pipeline.max_step_tokens == 6


async def test_where_servers_do_not_reach_one_another_the_client_carries_hidden_states_over() -> None:
    async with servers(4, linked=[True, False, True, False]) as swarm:
        assert swarm.pipeline.trips == 2
        entering, between, leaving = hidden(1, 3), hidden(1, 3), hidden(1, 1)
        async with stepping(swarm.step(0, {"hidden": entering}, 2)) as step:
            taken, _ = await swarm.take(0)
            assert (taken.route, taken.keep_from) == (route("second"), 0)
            swarm.answer(1, 0, between)
            taken, tensors = await swarm.take(2)
            assert (taken.route, taken.keep_from) == (route("fourth"), 2)
            assert torch.equal(tensors["hidden"], between)
            swarm.answer(3, 0, leaving, tokens=3)
        assert torch.equal(step.result(), leaving)
        assert swarm.pipeline.compute_s() == 0.5


async def test_a_route_is_no_longer_than_the_servers_that_are_left_though_the_last_one_says_it_reaches_another() -> (
    None
):
    async with servers(2, linked=[True, True]) as swarm:
        assert swarm.pipeline.trips == 1


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
            await _settle()
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
        await _settle()
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
        await _settle()
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


PATIENT = PipelineOptions(request_timeout_s=10, silence_s=1000)


@in_virtual_time
async def test_a_place_in_line_is_told_and_waited_for() -> None:
    async with servers(2, PATIENT) as swarm:
        loop = asyncio.get_running_loop()
        began = loop.time()
        async with stepping(swarm.step(0, {"hidden": hidden()})) as step:
            await swarm.take()
            await asyncio.sleep(9)
            swarm.say(0, flat(Queued(2, 60.0)))
            await asyncio.sleep(65)
            assert not step.done()
            swarm.answer(1, 0, hidden())
        assert step.exception() is None
        assert loop.time() - began == pytest.approx(74)
        assert [(member.name, queued.place) for member, queued in swarm.told] == [("first's", 2)]


@in_virtual_time
async def test_every_part_of_an_answer_is_a_sign_of_life() -> None:
    async with servers(1, PATIENT) as swarm:
        async with stepping(swarm.step(0, {"hidden": hidden(1, 3)})) as step:
            for position in range(3):
                await asyncio.sleep(9)
                swarm.answer(0, position, hidden())
        assert step.result().shape == (1, 3, WIDTH)


@in_virtual_time
async def test_a_chain_of_living_servers_that_do_not_answer_is_lost_after_the_timeout() -> None:
    async with servers(2, PipelineOptions(request_timeout_s=10)) as swarm:
        loop = asyncio.get_running_loop()
        began = loop.time()
        async with asyncio.TaskGroup() as group:
            alive = group.create_task(swarm.stay_alive())
            with pytest.raises(ServerLostError, match="did not answer within 10 s") as caught:
                await swarm.step(0, {"hidden": hidden()})
            alive.cancel()
        assert caught.value.peer == "second"
        assert loop.time() - began == pytest.approx(10, abs=0.3)


@in_virtual_time
async def test_a_server_that_answers_pings_is_waited_for() -> None:
    async with servers(2) as swarm:
        async with (
            asyncio.TaskGroup() as group,
            stepping(swarm.step(0, {"hidden": hidden()})) as step,
        ):
            alive = group.create_task(swarm.stay_alive())
            await asyncio.sleep(170)
            assert not step.done()
            alive.cancel()
            swarm.answer(1, 0, hidden())
        assert step.exception() is None


@pytest.mark.parametrize("silent", [0, 1])
@in_virtual_time
async def test_a_server_that_does_not_answer_a_ping_is_lost(silent: int) -> None:
    async with servers(2, PipelineOptions(silence_s=1.0)) as swarm:
        loop = asyncio.get_running_loop()
        began = loop.time()
        async with asyncio.TaskGroup() as group:
            alive = group.create_task(swarm.stay_alive([1 - silent]))
            with pytest.raises(ServerLostError, match="is silent") as caught:
                await swarm.step(0, {"hidden": hidden()})
            alive.cancel()
        assert caught.value.peer == NAMES[silent]
        assert [hop.failed is None for hop in swarm.pipeline.hops] == [silent != 0, silent != 1]
        assert 1.0 < loop.time() - began < 2.5


@in_virtual_time
async def test_a_loop_that_was_held_up_itself_blames_nobody() -> None:
    async with servers(2, PipelineOptions(request_timeout_s=10)) as swarm:
        loop: Any = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as group, stepping(swarm.step(0, {"hidden": hidden()})) as step:
            alive = group.create_task(swarm.stay_alive())
            for _ in range(3):
                await asyncio.sleep(0.4)  # somebody was asked and has not answered yet
                loop._skipping.skipped += 60
            await asyncio.sleep(5)
            assert not step.done(), step.exception()
            alive.cancel()
            swarm.answer(1, 0, hidden())
        assert step.exception() is None


@in_virtual_time
async def test_a_server_that_speaks_of_a_line_between_two_steps_is_heard_on() -> None:
    async with servers(2) as swarm:
        async with stepping(swarm.step(0, {"hidden": hidden()})) as step:
            await swarm.take()
            swarm.answer(1, 0, hidden())
        assert step.exception() is None
        swarm.say(0, flat(Queued(1, 5.0)))  # it may come later than the last server's answer
        await _settle()
        swarm.say(0, flat(Failure("failed")))
        await _settle()
        with pytest.raises(ServerRefusedError):
            await swarm.step(1, {"hidden": hidden()})
        assert len(swarm.told) == 1


async def test_a_cancelled_step_leaves_nothing_behind() -> None:
    async with servers(2, PipelineOptions(piece_tokens=2)) as swarm:
        async with stepping(swarm.step(0, {"hidden": hidden(1, 30)})) as step:
            await swarm.take()
            step.cancel()
        assert step.cancelled()


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
        await _settle()
    del step, swarm
    gc.collect()
    await _settle()
    assert forgotten == []


async def test_closing_ends_all_streams_though_steps_are_under_way() -> None:
    async with servers(3) as swarm:
        async with stepping(swarm.step(0, {"hidden": hidden()})) as step:
            await swarm.take()
            step.cancel()
        await swarm.aclose()
        for end in swarm.ends:
            assert await end.reader.read() == b""
        await swarm.aclose()


def test_a_piece_of_a_packed_step_has_its_own_scales() -> None:
    tensors: Any = {"hidden": torch.zeros(1, 5, WIDTH, dtype=torch.int8), "scale": torch.arange(5.0)[None]}
    assert slice_step(tensors, 1, 3)["scale"].tolist() == [[1.0, 2.0]]
