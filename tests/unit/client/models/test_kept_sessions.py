"""What is kept between two answers lies on the servers, which get their pages back when it falls off.

The servers are real, but for the streams between them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from fakes.span_servers import Network, Served
from meadow_client.models.answering import Answerer, End, Question
from meadow_client.models.auto import AutoDistributedModelForCausalLM
from meadow_client.models.description import ModelDescription, describe
from meadow_client.models.kept_sessions import Line
from meadow_client.models.shelf import Shelf
from meadow_engine.runtime.device import ComputeThread
from meadow_engine.runtime.span import LoadOptions, Span

IDS = [3 + number % 50 for number in range(60)]
NEW = 8


class Numbers:
    """Says tokens as numbers."""

    def decode(self, ids: list[int], **_options: Any) -> str:
        return "".join(f"{token} " for token in ids)


@pytest.fixture(scope="module")
def description(tiny_model: Callable[[str], Path]) -> ModelDescription:
    return describe(str(tiny_model("llama")))


@pytest.fixture
async def servers(description: ModelDescription) -> AsyncIterator[list[Served]]:
    cpu, options = torch.device("cpu"), LoadOptions("float32")
    network, compute = Network(), ComputeThread(cpu)
    spans = [Span.load(description, start, end, cpu, options) for start, end in [(0, 3), (3, 6)]]
    served = [Served(f"server {span.start}", span, compute, network) for span in spans]
    yield served
    await network.quiet()
    for one in served:
        one.assert_is_free()
    compute.close()


def make_answerer(description: ModelDescription, servers: list[Served], shelf: Shelf[Line] | None = None) -> Answerer:
    ours = AutoDistributedModelForCausalLM.connect(description, servers[0].network.client(), dtype=torch.float32)
    return Answerer(description, ours, Numbers(), shelf=shelf)


async def ask(answerer: Answerer, ids: list[int]) -> tuple[list[int], End]:
    """The answer's tokens."""
    text = ""
    async for event in answerer.answer(Question(ids, NEW)):
        if isinstance(event, End):
            return [int(token) for token in text.split()], event
        text += getattr(event, "text", "")
    raise AssertionError("an answer ended without its end")


def used_pages(servers: list[Served]) -> int:
    return sum(served.pool.total_pages - served.pool.free_pages for served in servers)


async def test_the_next_turn_says_what_it_would_have_said_anyway(
    description: ModelDescription, servers: list[Served]
) -> None:
    answerer = make_answerer(description, servers)
    local = AutoModelForCausalLM.from_pretrained(description.source, dtype=torch.float32).eval()
    first, _ = await ask(answerer, IDS)
    for turn in ([*IDS, *first, 7, 8, 9], [*IDS, 7, 8, 9], IDS):  # goes on; asks otherwise; asks again
        expected = local.generate(torch.tensor([turn]), max_new_tokens=NEW, do_sample=False)[0, len(turn) :]
        said, end = await ask(answerer, turn)
        assert said == expected.tolist()
        assert end.cached_tokens >= len(IDS) - 1
    assert [served.server.counts.sessions for served in servers] == [1, 1]
    await answerer.aclose()


async def test_pages_come_back_when_the_answerer_closes(description: ModelDescription, servers: list[Served]) -> None:
    answerer = make_answerer(description, servers)
    await ask(answerer, IDS)
    assert used_pages(servers) > 0
    await answerer.aclose()
    await servers[0].network.quiet()
    assert used_pages(servers) == 0


async def test_pages_come_back_when_nobody_asks_for_a_while(
    description: ModelDescription, servers: list[Served]
) -> None:
    answerer = make_answerer(description, servers, Shelf(keep_s=0.5))
    await ask(answerer, IDS)
    assert used_pages(servers) > 0
    await servers[0].network.quiet()
    assert used_pages(servers) == 0
    assert (await ask(answerer, IDS))[1].cached_tokens == 0
    await answerer.aclose()


async def test_a_chain_that_is_lost_between_two_answers_is_made_anew(
    description: ModelDescription, servers: list[Served]
) -> None:
    answerer = make_answerer(description, servers)
    first, _ = await ask(answerer, IDS)
    spare = Served("spare", servers[1].span, servers[1].compute, servers[1].network)
    servers[1].network.kill(servers[1].name)
    again, end = await ask(answerer, IDS)
    assert again == first
    assert [[member.name for member in recovery.instead] for recovery in end.recoveries] == [["spare"]]
    await answerer.aclose()
    await spare.network.quiet()
    spare.assert_is_free()
