"""An engine that leaves on purpose hands its conversations over; nobody who chats notices."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from transformers.generation.streamers import BaseStreamer

from fakes.long_answers import generate
from fakes.processes import Swarm, running_swarm, wait_until
from meadow_assets import demo_model_path
from meadow_client import AutoDistributedModelForCausalLM

SPANS = [(0, 4), (4, 8), (4, 8)]
TOKENS = 60


@pytest.fixture(scope="module")
def engines() -> Iterator[Swarm]:
    with running_swarm(demo_model_path(), SPANS) as swarm:
        yield swarm


@pytest.fixture
def swarm(engines: Swarm) -> Swarm:
    """All engines, those that an earlier test ended started anew."""
    for index, engine in enumerate(engines.engines):
        if engine.process.poll() is not None:
            engines.replace(index)
    return engines


@pytest.fixture
def model(swarm: Swarm) -> Any:
    return AutoDistributedModelForCausalLM.from_pretrained(str(swarm.model), initial_peers=[swarm.address])


class Watch(BaseStreamer):
    """Calls something when so many tokens have come."""

    def __init__(self, after: int, call: Callable[[], None]) -> None:
        self._after, self._call = after, call
        self.count = 0

    def put(self, _tokens: torch.Tensor) -> None:
        self.count += 1
        if self.count == self._after:
            self._call()

    def end(self) -> None:
        pass


def prompt(seed: int) -> torch.Tensor:
    return torch.randint(5, 300, (1, 100), generator=torch.Generator().manual_seed(seed))


def undisturbed(model: Any, ids: torch.Tensor) -> torch.Tensor:
    with model.remote.inference_session(300) as session:
        return generate(model, ids, session, TOKENS)


def test_four_conversations_move_on_without_losing_a_word(swarm: Swarm, model: Any) -> None:
    prompts = [prompt(seed) for seed in range(4)]
    expected = [undisturbed(model, ids) for ids in prompts]
    sessions = [model.remote.inference_session(300) for _ in prompts]
    begun = threading.Barrier(len(prompts) + 1)
    texts: dict[int, torch.Tensor] = {}

    def answer(index: int) -> None:
        watch = Watch(10, lambda: begun.wait(60) and None)
        texts[index] = generate(model, prompts[index], sessions[index], TOKENS, watch)

    threads = [threading.Thread(target=answer, args=(index,)) for index in range(len(prompts))]
    for thread in threads:
        thread.start()
    begun.wait(60)
    peers = [session.members[1].leg.peer for session in sessions]
    leaving = next(engine for engine in swarm.engines if engine.ready["peer"] == peers[0])
    moved = [index for index, peer in enumerate(peers) if peer == peers[0]]
    leaving.process.send_signal(signal.SIGTERM)
    for thread in threads:
        thread.join(60)
    assert leaving.process.wait(20) == 0
    for index, session in enumerate(sessions):
        assert torch.equal(texts[index], expected[index])
        assert all(recovery.is_planned for recovery in session.recoveries)
        assert len(session.recoveries) == (1 if index in moved else 0)
        session.close()


def test_a_conversation_that_is_idle_moves_on_too(swarm: Swarm, model: Any) -> None:
    ids = prompt(7)
    expected = undisturbed(model, ids)
    with model.remote.inference_session(300) as session:
        model.generate(ids, max_new_tokens=20, min_new_tokens=20, do_sample=False, pad_token_id=0, session=session)
        leaving = next(engine for engine in swarm.engines if engine.ready["peer"] == session.members[1].leg.peer)
        assert leaving.end() == 0
        wait_until(lambda: session.recoveries, 5.0, "the hand-over")
        more = {"max_new_tokens": TOKENS - 20, "min_new_tokens": TOKENS - 20, "do_sample": False, "pad_token_id": 0}
        assert torch.equal(model.generate(None, session=session, **more), expected)
        assert [recovery.is_planned for recovery in session.recoveries] == [True]


def test_an_engine_that_nobody_can_replace_stays_until_the_answer_is_there(swarm: Swarm, model: Any) -> None:
    ids = prompt(9)
    expected = undisturbed(model, ids)
    only = swarm.engines[0]
    with model.remote.inference_session(300) as session:
        watch = Watch(10, lambda: only.process.send_signal(signal.SIGTERM))
        assert torch.equal(generate(model, ids, session, TOKENS, watch), expected)
        assert session.recoveries == []
    began = time.monotonic()
    assert only.process.wait(20) == 0
    assert time.monotonic() - began < 10


def test_a_second_signal_ends_an_engine_at_once(swarm: Swarm, model: Any) -> None:
    only = swarm.engines[0]
    with model.remote.inference_session(300) as session:
        generate(model, prompt(1), session, TOKENS, Watch(10, lambda: only.process.send_signal(signal.SIGTERM)))
        only.process.send_signal(signal.SIGTERM)
        assert only.process.wait(5) == 1
