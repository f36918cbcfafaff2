"""Steps go to the first server and come back from the last one, whole and in order.

A server is the far end of a stream, and the test speaks for it.
"""

from __future__ import annotations

import asyncio

import pytest
import torch

from fakes.pipelines import hidden, route, servers, settle, stepping
from meadow_client.session.pipeline import PipelineOptions


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
                    await settle()
                    # Eight are under way: the next one comes only after an answer.
                    assert swarm.ends[0].reader._buffer == b""  # type: ignore[attr-defined]
                    swarm.answer(0, position - 8, entering[:, position - 8 : position - 7])
                assert (await swarm.take())[0].position == position
            for position in range(12, 20):
                swarm.answer(0, position, entering[:, position : position + 1])
        assert torch.equal(step.result(), entering)


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


async def test_a_cancelled_step_leaves_nothing_behind() -> None:
    async with servers(2, PipelineOptions(piece_tokens=2)) as swarm:
        async with stepping(swarm.step(0, {"hidden": hidden(1, 30)})) as step:
            await swarm.take()
            step.cancel()
        assert step.cancelled()


async def test_closing_ends_all_streams_though_steps_are_under_way() -> None:
    async with servers(3) as swarm:
        async with stepping(swarm.step(0, {"hidden": hidden()})) as step:
            await swarm.take()
            step.cancel()
        await swarm.aclose()
        for end in swarm.ends:
            assert await end.reader.read() == b""
        await swarm.aclose()
