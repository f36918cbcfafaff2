"""Hidden states travel through a pipeline as the client says, or as the slowest link needs it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import torch

from fakes.pipelines import WIDTH, Servers, hidden, servers, stepping
from fakes.streams import flat
from fakes.virtual_time import in_virtual_time
from meadow_client.session import codec_choice
from meadow_client.session.codec import pack, unpack
from meadow_client.session.job import slice_step
from meadow_client.session.pipeline import PipelineOptions
from meadow_client.wire.messages import Result, Timing


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


def test_a_piece_of_a_packed_step_has_its_own_scales() -> None:
    tensors: Any = {"hidden": torch.zeros(1, 5, WIDTH, dtype=torch.int8), "scale": torch.arange(5.0)[None]}
    assert slice_step(tensors, 1, 3)["scale"].tolist() == [[1.0, 2.0]]
