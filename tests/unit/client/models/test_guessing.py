"""Answers of a real model are the same whether tokens are guessed from the text, by a draft model, or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from fakes.near_model import NearModel, near_model
from meadow_assets import demo_model_path
from meadow_client.errors import MeadowError, ModelUnusableError
from meadow_client.models.answering import Answerer, End, Piece, Question
from meadow_client.models.description import describe
from meadow_client.models.draft import DraftMismatchError, DraftModel
from meadow_client.models.sampling import Sampling

PARROT = "Say it again: the hen sat on the hill. The hen sat on the hill. The hen sat"


@pytest.fixture
def demo(monkeypatch: pytest.MonkeyPatch) -> NearModel:
    return near_model(demo_model_path(), monkeypatch)


@pytest.fixture
def circling(demo: NearModel) -> NearModel:
    """The bundled model, but it chooses by the last token only and so goes round in a circle."""
    with torch.no_grad():
        for layer in [*demo.ours.remote.layers.layers, *demo.local.model.layers]:
            layer.self_attn.o_proj.weight.zero_()
            layer.mlp.down_proj.weight.zero_()
    return demo


@pytest.fixture
def load(demo: NearModel, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Answerer]]:
    loaded: list[Answerer] = []

    def load(draft: str | None = None) -> Answerer:
        monkeypatch.setattr(
            "meadow_client.models.answering.AutoDistributedModelForCausalLM.connect",
            lambda *_asked, **_options: demo.ours,
        )
        loaded.append(Answerer.load(demo.description, demo.ours.remote.client, draft=draft))
        return loaded[-1]

    yield load
    for answerer in loaded:
        answerer.close()


async def ask(answerer: Answerer, near: NearModel, **question: Any) -> tuple[str, End, int]:
    """The answer, and the trips it took."""
    near.steps.clear()
    text = ""
    ids = answerer.text_ids(PARROT)
    async for event in answerer.answer(Question(**{"ids": ids, "max_new_tokens": 60, **question})):
        if isinstance(event, Piece):
            text += event.text
        elif isinstance(event, End):
            return text, event, len(near.steps)
    raise AssertionError("an answer ended without its end")


def outcome(text: str, end: End) -> tuple[str, str, int]:
    return text, end.finish_reason, end.completion_tokens


@pytest.mark.parametrize("sampling", [Sampling(), Sampling(0.8, 0.95, seed=3)])
async def test_an_answer_is_the_same_with_guesses_and_without(
    circling: NearModel, load: Callable[..., Answerer], sampling: Sampling
) -> None:
    answerer = load()
    plain, plain_end, plain_trips = await ask(answerer, circling, sampling=sampling, lookup=False)
    text, end, trips = await ask(answerer, circling, sampling=sampling)
    assert outcome(text, end) == outcome(plain, plain_end)
    assert plain_trips == plain_end.completion_tokens
    assert trips <= plain_trips
    if sampling.temperature == 0:
        assert trips <= plain_trips / 2.5


async def test_an_answer_that_repeats_itself_stops_before_a_stop_string(
    circling: NearModel, load: Callable[..., Answerer]
) -> None:
    answerer = load()
    whole, _, _ = await ask(answerer, circling)
    stop = whole[20:24]
    plain, plain_end, _ = await ask(answerer, circling, stops=[stop], lookup=False)
    text, end, _ = await ask(answerer, circling, stops=[stop])
    assert outcome(text, end) == outcome(plain, plain_end)
    assert text == whole[: whole.index(stop)]


@pytest.mark.parametrize("sampling", [Sampling(), Sampling(0.8, 0.95, seed=3)])
async def test_a_draft_model_saves_trips_and_changes_nothing(
    demo: NearModel, load: Callable[..., Answerer], sampling: Sampling
) -> None:
    plain, plain_end, plain_trips = await ask(load(), demo, sampling=sampling, lookup=False)
    # The best of all draft models: it thinks as the model does, so every guess is right, draws included.
    text, end, trips = await ask(load(str(demo_model_path())), demo, sampling=sampling)
    assert outcome(text, end) == outcome(plain, plain_end)
    assert trips <= plain_trips / 2.5


async def test_answers_side_by_side_share_a_draft_model(demo: NearModel, load: Callable[..., Answerer]) -> None:
    answerer = load(str(demo_model_path()))
    expected, _, _ = await ask(answerer, demo)
    answers = await asyncio.gather(*(ask(answerer, demo) for _ in range(4)))
    assert [text for text, _, _ in answers] == [expected] * 4


async def test_an_answer_that_nobody_reads_on_stops_also_with_a_draft_model(
    demo: NearModel, load: Callable[..., Answerer]
) -> None:
    answerer = load(str(demo_model_path()))
    events = answerer.answer(Question([5, 6, 7], 1500))
    assert isinstance(await anext(events), Piece)
    await events.aclose()  # type: ignore[attr-defined]
    await asyncio.to_thread(answerer._threads.shutdown)  # waits for the answer's thread
    assert len(demo.steps) < 100


def refusal(draft: str, near: NearModel, tokenizer: Any = None) -> MeadowError:
    with pytest.raises(ModelUnusableError) as caught:
        DraftModel.load(draft, near.description, tokenizer)
    assert caught.value.advice
    return caught.value


def test_a_draft_model_with_other_tokens_is_refused(demo: NearModel, tiny_model: Callable[[str], Path]) -> None:
    refused = refusal(str(tiny_model("llama")), demo)
    assert isinstance(refused, DraftMismatchError)
    assert "does not have the same tokens as meadow-demo" in str(refused)


def test_a_draft_model_with_as_many_but_other_tokens_is_refused(demo: NearModel) -> None:
    class Other:
        def get_vocab(self) -> dict[str, int]:
            return {"a": 1}

    assert isinstance(refusal(str(demo_model_path()), demo, Other()), DraftMismatchError)


def test_a_draft_model_without_a_tokenizer_is_refused(tiny_model: Callable[[str], Path]) -> None:
    folder = str(tiny_model("llama"))
    with pytest.raises(ModelUnusableError, match="has no tokenizer"):
        DraftModel.load(folder, describe(folder), None)


def test_a_draft_model_that_is_not_there_is_not_found(demo: NearModel, tmp_path: Path) -> None:
    with pytest.raises(MeadowError) as caught:
        DraftModel.load(str(tmp_path / "nothing"), demo.description, None)
    assert caught.value.code == "model-not-found"
