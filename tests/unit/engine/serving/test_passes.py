"""Training goes on with the gradients of the whole model, whichever servers die or hang, and whenever they do.

The servers are real ones with a tiny model; "spare" ones hold the same layers, and are so slow that nobody needs them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch

from fakes.models import HIDDEN
from fakes.span_servers import Network, Served, client_of, opening
from fakes.streams import flat, hear
from meadow_client.errors import MeadowError, ServerRefusedError, UsageError
from meadow_client.session.chain import Chain
from meadow_client.session.hop import Tensors
from meadow_client.session.swarm_client import SwarmClient
from meadow_client.wire.messages import Backward, Forward, Opened, Ping, Pong, Result
from meadow_engine.runtime.device import ComputeThread
from meadow_engine.runtime.requests import StatelessState
from meadow_engine.runtime.span import Span
from meadow_engine.serving.span_server import ServingLimits

BATCH, TOKENS = 2, 5
MANY = BATCH * TOKENS
POSITIONS = torch.arange(3, 3 + TOKENS).expand(BATCH, TOKENS)
EXTRAS: Tensors = {"position_ids": POSITIONS}


def random(seed: int) -> torch.Tensor:
    return torch.randn(BATCH, TOKENS, HIDDEN, generator=torch.Generator().manual_seed(seed))


HIDDEN_STATES, GRAD = random(0), random(1)


@dataclass
class Training:
    """One pass there and back, between which servers can be lost."""

    network: Network
    servers: dict[str, Served]
    whole: Span

    async def run(
        self, before_back: Callable[[], Any] = lambda: None, client: SwarmClient | None = None, **options: Any
    ) -> float:
        """Forward and backward give what the whole model gives; returns how many seconds they took."""
        client = client or self.network.client(**options)
        began_s = time.monotonic()
        chain = await client.open_chain(0, 6, BATCH, TOKENS)
        try:
            output = await chain.forward(HIDDEN_STATES, EXTRAS)
            before_back()
            pulled = await chain.backward(GRAD, EXTRAS)
        finally:
            await chain.aclose()
        seconds = time.monotonic() - began_s
        self.check(output, pulled)
        return seconds

    def check(self, output: torch.Tensor, pulled: torch.Tensor) -> None:
        view = self.whole.view(0, 6)
        torch.testing.assert_close(output, view.forward(HIDDEN_STATES, position_ids=POSITIONS), rtol=1e-4, atol=1e-4)
        expected = view.backward(HIDDEN_STATES, GRAD, position_ids=POSITIONS)
        torch.testing.assert_close(pulled, expected, rtol=1e-4, atol=1e-4)

    def worked(self, name: str) -> int:
        return self.servers[name].server.counts.tokens


@pytest.fixture
async def training(network: Network, load: Callable[[int, int], Span]) -> Training:
    """ "a" and "b" are used; "spare a" and, for the layers of "b", "spare b" and "spare c" are there."""
    compute = ComputeThread(torch.device("cpu"))
    spans = {"a": (0, 3), "b": (3, 6), "spare a": (0, 3), "spare b": (3, 5), "spare c": (5, 6)}
    servers = {
        name: Served(name, load(*layers), compute, network, token_s=1.0 if "spare" in name else 0.01)
        for name, layers in spans.items()
    }
    return Training(network, servers, load(0, 6))


async def test_nobody_else_is_asked_as_long_as_all_are_well(training: Training) -> None:
    await training.run()
    assert (training.worked("a"), training.worked("b")) == (2 * MANY, 2 * MANY)
    assert training.worked("spare a") == training.worked("spare b") == training.worked("spare c") == 0


@pytest.mark.parametrize("name", ["a", "b"])
async def test_a_server_that_dies_on_the_way_there_is_replaced(training: Training, name: str) -> None:
    training.servers[name].after(MANY, lambda: training.network.kill(name))
    await training.run()


@pytest.mark.parametrize("name", ["a", "b"])
async def test_a_server_that_dies_before_the_way_back_is_replaced(training: Training, name: str) -> None:
    await training.run(before_back=lambda: training.network.kill(name))


@pytest.mark.parametrize("name", ["a", "b"])
async def test_a_server_that_dies_on_the_way_back_is_replaced(training: Training, name: str) -> None:
    training.servers[name].after(2 * MANY, lambda: training.network.kill(name))
    await training.run()


async def test_all_may_die_before_the_way_back_and_one_who_takes_over_on_it(training: Training) -> None:
    training.servers["spare c"].after(MANY, lambda: training.network.kill("b again"))

    def all_die() -> None:
        for name in ("a", "b"):
            training.network.kill(name)

    again = training.servers["b"]
    Served("b again", again.span, again.compute, training.network, token_s=0.5)
    training.servers["b again"] = training.network.servers["b again"]
    training.servers["b again"].after(MANY, lambda: training.network.kill("b again"))
    await training.run(before_back=all_die)
    assert training.worked("b again") == MANY
    assert training.worked("spare b") == 2 * MANY


@pytest.mark.parametrize("passes", [1, 2])
async def test_a_server_that_hangs_is_replaced_within_two_seconds(training: Training, passes: int) -> None:
    training.servers["b"].after(passes * MANY, lambda: training.network.hang("b"))
    assert 1.0 < await training.run(silence_s=1.0) < 2.0


async def test_a_server_that_hangs_before_the_way_back_is_replaced(training: Training) -> None:
    assert await training.run(before_back=lambda: training.network.hang("a"), silence_s=0.2) < 1.5


async def test_a_server_that_computes_for_long_is_waited_for(
    training: Training, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = StatelessState.forward

    def slow(state: StatelessState, tensors: Tensors) -> torch.Tensor:
        time.sleep(1.0)
        return usual(state, tensors)

    monkeypatch.setattr(StatelessState, "forward", slow)
    assert await training.run(silence_s=0.2) > 2.0
    assert training.worked("spare a") == training.worked("spare b") == 0


async def test_a_stream_that_was_quiet_for_too_long_is_opened_again_to_the_same_server(training: Training) -> None:
    training.servers["b"].restart(ServingLimits(idle_s=0.1))
    client = training.network.client()
    chain = await client.open_chain(0, 6, BATCH, TOKENS)
    output = await chain.forward(HIDDEN_STATES, EXTRAS)
    await asyncio.sleep(0.3)
    training.check(output, await chain.backward(GRAD, EXTRAS))
    await chain.aclose()
    assert training.worked("b") == 2 * MANY
    assert training.worked("spare b") == 0


async def test_a_server_that_computes_beyond_the_idle_limit_is_not_idle(
    training: Training, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = StatelessState.backward

    def slow(state: StatelessState, tensors: Tensors) -> torch.Tensor:
        time.sleep(0.4)
        return usual(state, tensors)

    monkeypatch.setattr(StatelessState, "backward", slow)
    for name in ("a", "b"):
        training.servers[name].restart(ServingLimits(idle_s=0.25))
    chain = await training.network.client().open_chain(3, 6, BATCH, TOKENS)
    await chain.forward(HIDDEN_STATES, EXTRAS)
    await chain.backward(GRAD, EXTRAS)
    await chain.aclose()
    assert training.worked("b") == 2 * MANY


async def test_without_anybody_left_the_loss_is_told(training: Training) -> None:
    def die() -> None:
        for name in list(training.network.servers):
            training.network.kill(name)

    with pytest.raises(MeadowError, match=r"holds layers|cannot be reached"):
        await training.run(before_back=die, connect_timeout_s=0.2)


async def test_servers_that_all_fail_at_something_are_not_asked_for_ever(
    training: Training, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_state: StatelessState, _tensors: Tensors) -> torch.Tensor:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(StatelessState, "backward", fail)
    with pytest.raises(ServerRefusedError, match="failed"):
        await training.run(max_retries=1)


async def test_a_text_that_no_server_takes_is_told_and_nobody_blamed(training: Training) -> None:
    client = training.network.client()
    chain = await client.open_chain(0, 6, 1, 9000)
    with pytest.raises(UsageError, match="9000 tokens are more than computers of the swarm take at once"):
        await chain.forward(torch.zeros(1, 9000, HIDDEN), {})
    await chain.aclose()
    await training.run(client=client)
    assert training.worked("spare a") == training.worked("spare b") == 0


async def test_an_answer_that_came_too_late_is_not_taken_for_another(training: Training) -> None:
    chain: Chain = await training.network.client().open_chain(0, 6, BATCH, TOKENS)
    output = await chain.forward(HIDDEN_STATES, EXTRAS)
    interrupted = asyncio.get_running_loop().create_task(chain.backward(random(2), EXTRAS))
    training.servers["b"].after(MANY, interrupted.cancel)
    with pytest.raises(asyncio.CancelledError):
        await interrupted
    training.check(output, await chain.backward(GRAD, EXTRAS))
    await chain.aclose()


def stateless() -> bytes:
    return opening(kind="stateless", session=None, start=3, end=6)


async def test_a_ping_is_answered_while_a_pass_runs(training: Training, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = StatelessState.forward

    def slow(state: StatelessState, tensors: Tensors) -> torch.Tensor:
        time.sleep(0.3)
        return usual(state, tensors)

    monkeypatch.setattr(StatelessState, "forward", slow)
    async with client_of(training.network, "b") as client:
        client.say(stateless(), flat(Forward(()), hidden=HIDDEN_STATES), flat(Ping()), flat(Ping()))
        heard = [type((await hear(client.stream))[0]) for _ in range(4)]
    assert heard == [Opened, Pong, Pong, Result]


async def test_a_sign_of_life_is_given_while_a_pass_comes_in(training: Training) -> None:
    data = flat(Backward(()), hidden=HIDDEN_STATES, grad=GRAD)
    async with client_of(training.network, "b") as client:
        client.say(stateless(), data[: len(data) // 3])
        await asyncio.sleep(0.35)
        client.say(data[len(data) // 3 : -9])
        assert [type((await hear(client.stream))[0]) for _ in range(2)] == [Opened, Pong]
        client.say(data[-9:])
        assert isinstance((await hear(client.stream))[0], Result)


async def test_a_client_that_leaves_during_a_pass_ends_it(training: Training, monkeypatch: pytest.MonkeyPatch) -> None:
    served = training.servers["b"]
    began = asyncio.Event()
    loop = asyncio.get_running_loop()
    usual = StatelessState.forward

    def slow(state: StatelessState, tensors: Tensors) -> torch.Tensor:
        loop.call_soon_threadsafe(began.set)
        time.sleep(0.3)
        return usual(state, tensors)

    monkeypatch.setattr(StatelessState, "forward", slow)
    async with client_of(training.network, "b") as client:
        client.say(stateless(), flat(Forward(()), hidden=HIDDEN_STATES), flat(Forward(()), hidden=HIDDEN_STATES))
        await began.wait()
    await training.network.quiet()
    assert served.server.counts.sessions == 0
    assert served.server.counts.tokens == 0


async def test_a_client_that_asks_and_asks_and_takes_no_answers_is_not_read_any_more(training: Training) -> None:
    async with client_of(training.network, "b") as client:
        client.say(stateless())
        await client.hear()
        theirs: Any = training.network.streams["b"][-1].writer
        theirs.is_stuck = True
        before = len(theirs.written)
        client.say(flat(Ping()) * 1000)
        await asyncio.sleep(0.05)
        assert len(theirs.written) - before < 2 * len(flat(Pong()))
        theirs.abort()
