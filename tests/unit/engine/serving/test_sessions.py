"""Servers of a chain hand steps on to one another; whoever leaves or dies, the others notice and are free again."""

from __future__ import annotations

import asyncio
import gc
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from secrets import token_hex
from typing import Any

import pytest
import torch

from fakes.models import HIDDEN
from fakes.span_servers import Client, Network, Served, client_of, opening, run_step, step
from fakes.span_servers import close as end
from fakes.streams import PipeWriter, flat, hear, stream_pair
from meadow_client.errors import MeadowError, ServerLostError, ServerRefusedError
from meadow_client.models.description import describe
from meadow_client.routing.chains import Leg
from meadow_client.session.codec import unpack
from meadow_client.swarm.node import Stream
from meadow_client.wire import frames
from meadow_client.wire.messages import VERSION, Address, Failure, Join, Notice, Opened, Queued, Step, Timing
from meadow_engine.runtime import batcher
from meadow_engine.runtime.pool import PagePool, PoolLimits
from meadow_engine.runtime.requests import SessionState
from meadow_engine.runtime.span import LoadOptions, Span
from meadow_engine.serving.span_server import ServingLimits

LEGS = (Leg("first", 0, 3), Leg("second", 3, 6))
SECOND, THIRD, NOBODY = (Address(name, token_hex(16)) for name in ("second", "third", "nobody"))
Two = tuple[Served, Served]


@pytest.fixture(scope="module")
def uncut(tiny_model: Callable[[str], Path]) -> Span:
    return Span.load(describe(str(tiny_model("llama"))), 0, 6, torch.device("cpu"), LoadOptions("float32"))


def hidden(batch: int = 1, tokens: int = 4, seed: int = 0) -> torch.Tensor:
    return torch.randn(batch, tokens, HIDDEN, generator=torch.Generator().manual_seed(seed))


def close(ours: torch.Tensor, theirs: torch.Tensor, tolerance: float = 1e-3) -> None:
    torch.testing.assert_close(ours, theirs, rtol=tolerance, atol=tolerance)


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


async def test_a_server_that_does_not_reach_the_next_says_so_at_the_opening(two: Two, network: Network) -> None:
    two[1].restart(ServingLimits(opening_s=0.02))
    async with client_of(network, "first") as client:
        client.say(opening(start=0, end=3, next=NOBODY))
        assert await client.hear() == Opened(HIDDEN, "float32", 8192, is_linked=False)
    async with client_of(network, "first") as client:
        client.say(opening(start=0, end=3, next=SECOND))
        assert await client.hear() == Opened(HIDDEN, "float32", 8192, is_linked=True)


async def test_a_step_for_a_server_that_cannot_be_reached_fails(two: Two, network: Network) -> None:
    async with client_of(network, "first") as client:
        client.say(opening(start=0, end=3), step(0, hidden(), (NOBODY,)))
        assert (await client.hear_all(2))[1:] == [Notice("next-lost", 0)]
        # The session lives: the client takes the other way.
        client.say(step(0, hidden(), epoch=1))
        assert (await client.hear()).shape == (1, 4, HIDDEN)


async def test_a_server_may_join_before_the_client_opens(two: Two, network: Network) -> None:
    session, text = token_hex(16), hidden()
    async with client_of(network, "second") as before, client_of(network, "second") as client:
        before.say(flat(Join(VERSION, session)), step(0, text))
        await asyncio.sleep(0)
        client.say(opening(start=3, end=6, session=session))
        assert isinstance(await client.hear(), Opened)
        close(await client.hear(), two[1].span.view(3, 6).forward(text))


async def test_a_session_that_nobody_opens_cannot_be_joined(two: Two, network: Network) -> None:
    two[1].restart(ServingLimits(opening_s=0.02))
    async with client_of(network, "second") as before:
        before.say(flat(Join(VERSION, token_hex(16))), step(0, hidden()))
        assert await before.hear_all(1) == [Failure("no-such-session")]
    async with client_of(network, "second") as before:
        before.say(flat(Join(VERSION + 1, token_hex(16))))
        assert await before.hear_all(1) == [Failure("other-version")]
    await network.quiet()
    assert two[1].server._has_come == {}


async def test_a_session_that_is_over_cannot_be_joined(two: Two, network: Network) -> None:
    two[1].restart(ServingLimits(opening_s=0.02))
    session = token_hex(16)
    async with client_of(network, "second") as client:
        client.say(opening(start=3, end=6, session=session))
        await client.hear()
    await network.quiet()
    async with client_of(network, "second") as before:
        before.say(flat(Join(VERSION, session)), step(0, hidden()))
        assert await before.hear_all(1) == [Failure("no-such-session")]


@pytest.mark.parametrize("strange", [b"GET / HTTP/1.1\r\n\r\n   ", flat(Failure("failed"))], ids=["http", "a reply"])
async def test_a_server_before_that_breaks_the_protocol_loses_its_stream_and_the_session_stays(
    two: Two, network: Network, strange: bytes
) -> None:
    session = token_hex(16)
    async with client_of(network, "second") as client, client_of(network, "second") as before:
        client.say(opening(start=3, end=6, session=session))
        await client.hear()
        before.say(flat(Join(VERSION, session)), strange)
        assert await before.hear_all(1) == [Failure("broken-frame")]
        client.say(step(0, hidden()))
        assert (await client.hear()).shape == (1, 4, HIDDEN)


async def test_steps_that_the_server_before_sends_too_far_on_are_refused(two: Two, network: Network) -> None:
    session = token_hex(16)
    async with client_of(network, "second") as client, client_of(network, "second") as before:
        client.say(opening(start=3, end=6, session=session))
        await client.hear()
        before.say(flat(Join(VERSION, session)), step(9, hidden()))
        assert await before.hear_all(1) == [Failure("position-gap")]


@pytest.mark.parametrize("dead", ["first", "second"])
@pytest.mark.parametrize("when", ["between steps", "during a step"])
async def test_a_server_that_dies_is_the_one_that_is_blamed(two: Two, network: Network, dead: str, when: str) -> None:
    pipeline = await network.pipeline(*LEGS, piece_tokens=4)
    await run_step(pipeline, 0, {"hidden": hidden()})
    if when == "between steps":
        network.kill(dead)
    async with asyncio.TaskGroup() as group:
        stepping = group.create_task(_unpacked(run_step(pipeline, 4, {"hidden": hidden(1, 150)})))
        await asyncio.sleep(0)
        if when == "during a step":
            network.kill(dead)
    error = stepping.result()
    assert isinstance(error, ServerLostError)
    assert error.peer == dead
    await end(pipeline)


async def _unpacked(step: Awaitable[Any]) -> MeadowError:
    try:
        await step
    except MeadowError as error:
        return error
    raise AssertionError("the step ended well")


async def test_a_link_that_dies_is_told_to_the_client(two: Two, network: Network) -> None:
    async with client_of(network, "first") as client, client_of(network, "second") as other:
        client.say(opening(start=0, end=3, next=SECOND))
        other.say(opening(start=3, end=6, session=SECOND.session))
        assert [type(await one.hear()) for one in (client, other)] == [Opened, Opened]
        client.say(step(0, hidden(), (SECOND,), epoch=1))
        await other.hear()
        other.hang_up()
        assert await client.hear() == Notice("next-lost", 1)


async def test_a_server_that_fails_in_the_middle_of_a_chain_is_the_one_that_is_blamed(
    two: Two, network: Network
) -> None:
    two[1].restart(pool=PagePool(PoolLimits(1)))
    pipeline = await network.pipeline(*LEGS)
    error = await _unpacked(run_step(pipeline, 0, {"hidden": hidden(1, 100)}))
    assert isinstance(error, ServerRefusedError | ServerLostError)
    assert error.peer == "second"
    await end(pipeline)


async def test_what_the_server_before_sends_is_not_kept_when_the_client_leaves(two: Two, network: Network) -> None:
    """More steps than a session takes at once wait on the way when it ends."""
    session = token_hex(16)
    two[1].restart(pool=PagePool(PoolLimits(2)))
    holder = Client(await network.open("second"))
    holder.say(opening(start=3, end=6), step(0, hidden(1, 32)))
    await holder.hear_all(2)
    async with client_of(network, "second") as client, client_of(network, "second") as before:
        client.say(opening(start=3, end=6, session=session))
        await client.hear()
        before.say(flat(Join(VERSION, session)), *(step(p, hidden(1, 1)) for p in range(40)))
        assert isinstance(await client.hear(), Queued)
        client.hang_up()
        await before.stream.reader.read()  # signs of life, and the end
    holder.hang_up()


async def leave_after_open(client: Client, _rng: random.Random) -> None:
    client.say(opening())
    await client.hear()


async def leave_before_the_answer_to_the_opening(client: Client, _rng: random.Random) -> None:
    client.say(opening())


async def leave_after_steps(client: Client, _rng: random.Random) -> None:
    client.say(opening(), step(0, hidden(2, 20)), step(20, hidden(2, 1)))
    await client.hear_all(3)


async def leave_mid_step(client: Client, rng: random.Random) -> None:
    client.say(opening(), step(0, hidden(1, rng.randint(1, 50))))
    await client.hear()
    for _ in range(rng.randint(0, 30)):
        await asyncio.sleep(0)


async def leave_mid_prompt(client: Client, rng: random.Random) -> None:
    client.say(opening(), *(step(position, hidden(1, 8)) for position in range(0, 96, 8)))
    await client.hear_all(rng.randint(1, 6))


async def leave_in_a_frame(client: Client, rng: random.Random) -> None:
    frame = step(4, hidden(1, 3))
    client.say(opening(), step(0, hidden()), frame[: rng.randrange(1, len(frame))])
    await client.hear_all(2)


async def break_a_frame(client: Client, rng: random.Random) -> None:
    client.say(opening(), step(0, hidden()))
    await client.hear_all(rng.randint(1, 2))
    client.say(rng.choice([b"\xff" * 64, b"GET / HTTP/1.1\r\n\r\n", step(9, hidden()), opening(), bytes(40)]))
    await client.hear_all(9)


async def step_badly(client: Client, _rng: random.Random) -> None:
    client.say(opening(), step(0, hidden(2)), step(4, hidden(2, 1), beam_idx=torch.tensor([0, 5])))
    await client.hear_all(9)


async def ask_for_too_much(client: Client, _rng: random.Random) -> None:
    client.say(opening(), step(0, hidden(4, 180)))
    await client.hear_all(9)


async def stand_in_line(client: Client, rng: random.Random) -> None:
    client.say(opening(), step(0, hidden(4, 150)), step(150, hidden(4, 1)))
    await client.hear_all(rng.randint(1, 3))  # and `Queued` comes or does not, as others leave later or sooner


WAYS = [
    leave_after_open,
    leave_before_the_answer_to_the_opening,
    leave_after_steps,
    leave_mid_step,
    leave_mid_prompt,
    leave_in_a_frame,
    break_a_frame,
    step_badly,
    ask_for_too_much,
    stand_in_line,
]


async def abandon(network: Network, name: str, way: Any, rng: random.Random) -> None:
    client = Client(await network.open(name))
    with suppress(asyncio.IncompleteReadError):
        await way(client, rng)
    client.hang_up()


@pytest.mark.parametrize("at_once", [1, 8])
async def test_two_hundred_sessions_that_are_opened_and_abandoned_leave_nothing_behind(
    served: Served, network: Network, at_once: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("CRITICAL", "meadow_engine")  # pytest keeps what is logged, with all that it refers to
    rng = random.Random(at_once)
    served.restart(pool=PagePool(PoolLimits(40, 8, patience_s=0.2, spill_after_s=0.0)))
    for _ in range(200 // at_once):
        async with asyncio.TaskGroup() as group:
            for way in rng.sample(WAYS, at_once):
                group.create_task(abandon(network, "server", way, rng))
    await network.quiet()
    served.assert_is_free()
    assert await states_alive(served) == 0
    async with client_of(network, "server") as client:
        client.say(opening(), step(0, hidden()))
        close((await client.hear_all(2))[1], served.span.view(1, 5).forward(hidden()))


@pytest.mark.parametrize("seed", range(2))
async def test_clients_that_abandon_a_chain_end_their_session_on_every_server(
    two: Two, network: Network, seed: int
) -> None:
    rng = random.Random(seed)
    for _ in range(50):
        pipeline = await network.pipeline(*LEGS, piece_tokens=rng.choice([4, 64]), link=rng.random() < 0.8)
        stepping = asyncio.get_running_loop().create_task(
            run_step(pipeline, 0, {"hidden": hidden(1, rng.randint(1, 100))})
        )
        if rng.random() < 0.3:
            await stepping
        for _ in range(rng.randint(0, 60)):
            await asyncio.sleep(0)
        stepping.cancel()
        await asyncio.wait([stepping])
        await end(pipeline)
    await network.quiet()
    for one in two:
        one.assert_is_free()
    del pipeline, stepping
    assert await states_alive(*two) == 0


async def states_alive(*servers: Served) -> int:
    """How many sessions' caches are still held by anything, once the compute threads have let go of their last work."""
    for one in servers:
        await one.batcher.run_alone(int)
    gc.collect()
    return sum(type(found) is SessionState for found in gc.get_objects())


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
