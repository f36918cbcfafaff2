"""A small training loop goes on with the right gradients while engines are killed and stopped under it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from fakes.processes import Program, Swarm, running_swarm
from meadow_assets import demo_model_path
from meadow_client import AutoDistributedModelForCausalLM
from meadow_client.routing.bans import FIRST_S
from meadow_client.session.chain import Chain
from meadow_client.session.hop import Hop
from meadow_client.session.swarm_client import SwarmClient

# Two computers hold each half of the model.
SPANS = [(0, 4), (0, 4), (4, 8), (4, 8)]
STARTS = [0, 4]
BATCH, TOKENS, PROMPT = 2, 24, 4


@dataclass
class Training:
    """Tunes vectors [PROMPT, D] before a text, through the swarm and on this computer."""

    swarm: Swarm
    ours: Any
    local: Any
    chains: list[Chain] = field(default_factory=list)

    def step(self, seed: int, between: Callable[[], None] = lambda: None) -> float:
        """One step forward and backward; its gradient is the local one. Returns how many seconds it took."""
        generator = torch.Generator().manual_seed(seed)
        ids = torch.randint(3, self.local.config.vocab_size, (BATCH, TOKENS), generator=generator)
        vectors = torch.randn(PROMPT, self.local.config.hidden_size, generator=generator) * 0.02
        began_s = time.monotonic()
        grad = self._gradient(self.ours, ids, vectors, between)
        seconds = time.monotonic() - began_s
        torch.testing.assert_close(grad, self._gradient(self.local, ids, vectors), rtol=1e-3, atol=1e-5)
        return seconds

    def _gradient(
        self, model: Any, ids: torch.Tensor, vectors: torch.Tensor, between: Callable[[], None] = lambda: None
    ) -> torch.Tensor:
        tuned = vectors.clone().requires_grad_()
        embedded = torch.cat([tuned.expand(BATCH, -1, -1), model.get_input_embeddings()(ids)], dim=1)
        labels = torch.cat([torch.full((BATCH, PROMPT), -100), ids], dim=1)
        loss = model(inputs_embeds=embedded, labels=labels).loss
        between()
        loss.backward()
        assert tuned.grad is not None
        return tuned.grad

    def engine_of(self, leg: int) -> Program:
        """Who held a leg of the latest chain."""
        peer = self.chains[-1]._places[leg].hop.leg.peer
        return next(engine for engine in self.swarm.engines if engine.address.endswith(peer))


@pytest.fixture(scope="module")
def swarm() -> Iterator[Swarm]:
    with running_swarm(demo_model_path(), SPANS) as swarm:
        try:
            yield swarm
        finally:
            for engine in swarm.engines:
                if engine.process.poll() is None:
                    os.kill(engine.process.pid, signal.SIGCONT)


@pytest.fixture
def training(swarm: Swarm, monkeypatch: pytest.MonkeyPatch) -> Training:
    model = demo_model_path()
    ours = AutoDistributedModelForCausalLM.from_pretrained(str(model), initial_peers=[swarm.address])
    local = AutoModelForCausalLM.from_pretrained(str(model), dtype=torch.float32)
    training = Training(swarm, ours, local)
    usual = SwarmClient.open_chain

    async def open_chain(client: SwarmClient, *asked: Any) -> Chain:
        training.chains.append(await usual(client, *asked))
        return training.chains[-1]

    monkeypatch.setattr(SwarmClient, "open_chain", open_chain)
    return training


def kill(engine: Program) -> None:
    engine.process.kill()


def stop(engine: Program) -> None:
    os.kill(engine.process.pid, signal.SIGSTOP)


def go_on(engine: Program) -> None:
    """After it was stopped; returns when clients try it again."""
    os.kill(engine.process.pid, signal.SIGCONT)
    time.sleep(FIRST_S)


def test_a_training_loop_outlives_its_servers(training: Training, monkeypatch: pytest.MonkeyPatch) -> None:
    def once_asked(kind: str, leg: int, do: Callable[[Program], None]) -> None:
        """Do something to the engine of a leg, just as it is asked to go forward or backward."""
        usual = getattr(Hop, kind)

        async def asked(hop: Hop, tensors: Any) -> Any:
            if hop.leg.start == STARTS[leg]:
                monkeypatch.setattr(Hop, kind, usual)
                do(training.engine_of(leg))
            return await usual(hop, tensors)

        monkeypatch.setattr(Hop, kind, asked)

    seconds = {"all are well": training.step(0)}

    once_asked("forward", 1, kill)
    seconds["killed on the way there"] = training.step(1)

    stopped = training.engine_of(0)
    once_asked("backward", 0, stop)
    seconds["stopped on the way back"] = training.step(2)
    go_on(stopped)

    other = next(engine for engine in training.swarm.engines[:2] if engine is not stopped)
    stop(other)
    seconds["stopped before the first stream"] = training.step(3)
    go_on(other)

    seconds["killed before the way back"] = training.step(4, between=lambda: kill(training.engine_of(0)))
    assert max(seconds.values()) < 3.0, seconds
