"""Steps go through a chain of servers as through the uncut layers, with all that belongs to them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from fakes.chain_of_two import LEGS, SECOND, THIRD, Two, close
from fakes.span_clients import hidden
from fakes.span_servers import Network, client_of, opening, run_step, step
from fakes.span_servers import close as end
from fakes.streams import PipeWriter, hear, stream_pair
from meadow_client.models.description import describe
from meadow_client.session.codec import unpack
from meadow_client.swarm.node import Stream
from meadow_client.wire import frames
from meadow_client.wire.messages import VERSION, Join, Opened, Step, Timing
from meadow_engine.runtime import batcher
from meadow_engine.runtime.span import LoadOptions, Span


@pytest.fixture(scope="module")
def uncut(tiny_model: Callable[[str], Path]) -> Span:
    return Span.load(describe(str(tiny_model("llama"))), 0, 6, torch.device("cpu"), LoadOptions("float32"))


@pytest.mark.parametrize("link", [True, False], ids=["linked", "not linked"])
@pytest.mark.parametrize("piece_tokens", [0, 7])
async def test_a_chain_gives_what_the_uncut_layers_give(
    two: Two, network: Network, uncut: Span, link: bool, piece_tokens: int
) -> None:
    text = hidden(2, 30)
    pipeline = await network.pipeline(*LEGS, batch=2, link=link, piece_tokens=piece_tokens)
    assert pipeline.trips == (1 if link else 2)
    outputs = [
        await run_step(pipeline, 0, {"hidden": text[:, :28]}),
        await run_step(pipeline, 28, {"hidden": text[:, 28:29]}),
        await run_step(pipeline, 29, {"hidden": text[:, 29:]}),
    ]
    close(torch.cat(outputs, dim=1), uncut.view(0, 6).forward(text))
    close(await run_step(pipeline, 5, {"hidden": text[:, 5:]}, 29), uncut.view(0, 6).forward(text)[:, 29:])
    assert pipeline.compute_s() > 0
    await end(pipeline)


async def test_padding_positions_and_beams_reach_every_server(two: Two, network: Network, uncut: Span) -> None:
    text, following = hidden(2, 9), hidden(2, 1, seed=1)
    mask = torch.ones(2, 10, dtype=torch.bool)
    mask[0, :3] = False
    positions = torch.tensor([[0, 0, 0, *range(6)], list(range(9))])
    pipeline = await network.pipeline(*LEGS, batch=2, piece_tokens=4)
    first = {"hidden": text, "attention_mask": mask[:, :9], "position_ids": positions}
    close((await run_step(pipeline, 0, first))[0, 3:], uncut.view(0, 6).forward(text[:1, 3:])[0])  # type: ignore[arg-type]
    order = torch.tensor([1, 1])
    output = await run_step(pipeline, 9, {"hidden": following, "beam_idx": order})
    close(output, uncut.view(0, 6).forward(torch.cat([text[order], following], dim=1))[:, 9:])
    await end(pipeline)


async def test_a_chain_whose_hidden_states_travel_as_int8_is_near_the_uncut_layers(
    two: Two, network: Network, uncut: Span
) -> None:
    text = hidden(1, 20)
    pipeline = await network.pipeline(*LEGS, codec="int8", piece_tokens=6)
    output, expected = await run_step(pipeline, 0, {"hidden": text}), uncut.view(0, 6).forward(text)
    assert (output - expected).norm() / expected.norm() < 0.05
    await end(pipeline)


async def test_every_step_says_how_it_travels_from_there_on(two: Two, network: Network) -> None:
    async with client_of(network, "first") as client, client_of(network, "second") as last:
        client.say(opening(start=0, end=3, next=SECOND))
        last.say(opening(start=3, end=6, session=SECOND.session))
        assert [type(await one.hear()) for one in (client, last)] == [Opened, Opened]
        for position, codec in ((0, "raw"), (4, "int8"), (8, "raw")):
            client.say(step(position, hidden(), (SECOND,), codec=codec))
            reply, tensors = await last.hear_with_tensors()
            assert ("scale" in tensors) == (codec == "int8")
            assert len(reply.timings) == 2


async def test_servers_say_how_long_a_steps_body_took_to_come(two: Two, network: Network) -> None:
    data = step(0, hidden(1, 20))
    async with client_of(network, "first") as client:
        client.say(opening(start=0, end=3), data[:-50])
        assert isinstance(await client.hear(), Opened)
        await asyncio.sleep(0.05)  # a real server's clock
        client.say(data[-50:], step(20, hidden()))
        slow, fast = [(await client.hear_with_tensors())[0].timings[0] for _ in range(2)]
    assert 0.04 < slow.receive_s < 5
    assert fast.receive_s < slow.receive_s


async def test_the_parts_of_a_step_say_once_what_is_true_of_all_of_it(
    two: Two, network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batcher, "alone_tokens", lambda *_anything: 5)
    async with client_of(network, "first") as client:
        data = step(0, hidden(1, 33), timings=(Timing(1.0, 2.0, 3.0),))
        client.say(opening(start=0, end=3), data[:-50])
        assert isinstance(await client.hear(), Opened)
        await asyncio.sleep(0.05)
        client.say(data[-50:])
        parts, done = [], 0
        while done < 33:
            part, _tensors = await client.hear_with_tensors()
            parts.append(part)
            done += part.tokens
    assert len(parts) > 1
    assert [part.timings[0] for part in parts] == [Timing(1.0, 2.0, 3.0)] + [Timing(0.0, 0.0)] * (len(parts) - 1)
    assert [part.timings[1].receive_s > 0 for part in parts] == [True] + [False] * (len(parts) - 1)
    assert all(part.timings[1].compute_s > 0 for part in parts)


async def test_a_server_that_splits_a_step_hands_its_parts_on(
    two: Two, network: Network, uncut: Span, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batcher, "alone_tokens", lambda *_anything: 5)
    text = hidden(1, 33)
    pipeline = await network.pipeline(*LEGS, piece_tokens=0)
    close(await run_step(pipeline, 0, {"hidden": text}), uncut.view(0, 6).forward(text))
    await end(pipeline)
    assert two[0].batcher.counts.passes > 1
    assert two[1].batcher.counts.tokens == 33


async def test_two_sessions_through_a_chain_do_not_mix(two: Two, network: Network, uncut: Span) -> None:
    texts = [hidden(1, 20, seed=seed) for seed in range(3)]

    async def live(text: torch.Tensor) -> None:
        pipeline = await network.pipeline(*LEGS, piece_tokens=4)
        outputs = [await run_step(pipeline, 0, {"hidden": text[:, :15]})]
        outputs += [await run_step(pipeline, p, {"hidden": text[:, p : p + 1]}) for p in range(15, 20)]
        await end(pipeline)
        close(torch.cat(outputs, dim=1), uncut.view(0, 6).forward(text))

    async with asyncio.TaskGroup() as group:
        for text in texts:
            group.create_task(live(text))


async def test_what_goes_on_has_the_rest_of_the_route_and_all_timings(two: Two, network: Network) -> None:
    far: list[Stream] = []

    async def connect(peer: str) -> Stream:
        ours, theirs = stream_pair(there=peer)
        far.append(theirs)
        return ours

    two[0].server._connect = connect  # type: ignore[assignment]
    async with client_of(network, "first") as client:
        client.say(opening(start=0, end=3, next=SECOND))
        client.say(step(0, hidden(), (SECOND, THIRD), 3, "int8", epoch=4, order=2))
        assert (await client.hear()).is_linked
        assert (await hear(far[0], frames.request_decoder))[0] == Join(VERSION, SECOND.session)
        onward, tensors = await hear(far[0], frames.request_decoder)
        assert isinstance(onward, Step)
        assert (onward.position, onward.route, onward.keep_from, len(onward.timings)) == (0, (THIRD,), 3, 1)
        assert (onward.epoch, onward.order) == (4, 2)
        assert onward.codec == "int8"
        received = unpack(tensors, torch.float32, torch.device("cpu"))  # type: ignore[arg-type]
        close(received, two[0].span.view(0, 3).forward(hidden()), 0.05)
    await network.quiet()
    assert isinstance(far[0].writer, PipeWriter)
    assert await far[0].reader.read() == b""
