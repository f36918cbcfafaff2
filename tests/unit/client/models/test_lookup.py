"""Guessed tokens save trips through the swarm and change nothing about the text."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import LogitsProcessor, LogitsProcessorList
from transformers.generation.candidate_generator import AssistedCandidateGenerator

from fakes.near_model import NearModel, near_model
from meadow_client.models.lookup import AdaptiveLookup, can_forget, find_match
from meadow_client.models.sampling import Sampling, processors

NEW_TOKENS = 200


@pytest.fixture
def near(tiny_model: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> NearModel:
    return near_model(tiny_model("llama"), monkeypatch)


@pytest.fixture
def forgetful(near: NearModel) -> NearModel:
    """A model that chooses by the last token only, so that its greedy text soon goes round in a circle."""
    layers = near.ours.remote.layers
    with torch.no_grad():
        for layer in [*layers.layers, *near.local.model.layers]:
            layer.self_attn.o_proj.weight.zero_()
            layer.mlp.down_proj.weight.zero_()
    return near


class Scripted(LogitsProcessor):
    """Makes a model write `text`, whatever it thinks itself."""

    def __init__(self, text: list[int]) -> None:
        self._text = text

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
        scores = scores.clone()  # type: ignore[assignment]
        scores[:, self._text[input_ids.shape[1] % len(self._text)]] += 1000.0
        return scores


def prompt(tokens: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(3, 128, (1, tokens), generator=torch.Generator().manual_seed(seed))


def write(model: Any, ids: torch.Tensor, **options: Any) -> torch.Tensor:
    asked = {"max_new_tokens": NEW_TOKENS, "do_sample": False, "pad_token_id": 0, **options}
    return model.generate(ids, attention_mask=torch.ones_like(ids), **asked)  # type: ignore[no-any-return]


def with_lookup(near: NearModel, ids: torch.Tensor, **options: Any) -> tuple[torch.Tensor, int, int]:
    """The text, the trips it took, and the tokens that were computed in vain."""
    near.steps.clear()
    text = write(near.ours, ids, prompt_lookup_num_tokens=10, **options)
    new = text.shape[1] - ids.shape[1]
    computed = sum(tokens for _, tokens in near.steps) - ids.shape[1] + 1
    return text, len(near.steps), computed - new


@pytest.mark.parametrize("seed", range(4))
def test_a_random_text_is_the_same_and_little_is_computed_in_vain(near: NearModel, seed: int) -> None:
    ids = prompt(40, seed)
    text, _, in_vain = with_lookup(near, ids)
    assert torch.equal(text, write(near.local, ids))
    assert in_vain <= NEW_TOKENS / 20


@pytest.mark.parametrize("seed", range(4))
def test_a_repetitive_text_is_the_same_with_far_fewer_trips(forgetful: NearModel, seed: int) -> None:
    ids = prompt(40, seed)
    text, trips, _ = with_lookup(forgetful, ids)
    assert torch.equal(text, write(forgetful.local, ids))
    assert trips <= NEW_TOKENS / 2.5


def test_a_text_that_quotes_its_prompt_takes_far_fewer_trips(near: NearModel) -> None:
    ids = prompt(100)
    script = ids[0].tolist()
    script[70] = 1  # the quote differs in a word, and goes on after it
    text, trips, in_vain = with_lookup(near, ids, logits_processor=LogitsProcessorList([Scripted(script)]))
    assert text[0, 100:].tolist() == script * 2
    assert trips <= NEW_TOKENS / 2.5
    assert in_vain <= NEW_TOKENS / 5


@pytest.mark.parametrize("symbols", [4, 16, 100])
def test_a_text_without_any_order_costs_little(near: NearModel, symbols: int) -> None:
    script = torch.randint(3, 3 + symbols, (440,), generator=torch.Generator().manual_seed(1)).tolist()
    ids = torch.tensor([script[:40]])
    options = {"logits_processor": LogitsProcessorList([Scripted(script)]), "max_new_tokens": 400}
    text, trips, in_vain = with_lookup(near, ids, **options)
    assert text[0].tolist() == script
    # Of four symbols each guess is right as often as one in four, so a trip saved may cost some guesses.
    assert in_vain <= max(400 / 20, 8 * (400 - trips))


@pytest.mark.parametrize("temperature", [0.05, 1.0])
def test_a_drawn_text_is_the_same_for_the_same_seed(near: NearModel, forgetful: NearModel, temperature: float) -> None:
    def drawing() -> dict[str, Any]:
        return {"logits_processor": processors(Sampling(temperature, 0.95, seed=7))}

    for model in (near, forgetful):
        ids = torch.cat([prompt(20)] * 3, dim=1)
        text, trips, _ = with_lookup(model, ids, **drawing())
        assert torch.equal(text, write(model.local, ids, **drawing()))
        assert torch.equal(text, write(model.ours, ids, **drawing()))
        assert trips <= NEW_TOKENS


@pytest.mark.parametrize("new", [1, 2, 3, 50])
def test_a_text_ends_at_its_limit(forgetful: NearModel, new: int) -> None:
    text, _, _ = with_lookup(forgetful, prompt(40), max_new_tokens=new)
    assert text.shape[1] == 40 + new


def test_a_session_that_holds_a_text_already_goes_on_from_there(forgetful: NearModel) -> None:
    # WORKAROUND in `prepare_inputs_for_generation`: Transformers alone would compute the first text once more.
    ids = prompt(40)
    expected = write(forgetful.local, ids, max_new_tokens=90)
    with forgetful.ours.inference_session(max_length=130) as session:
        first = write(forgetful.ours, ids, max_new_tokens=50, session=session, prompt_lookup_num_tokens=10)
        forgetful.steps.clear()
        text = write(forgetful.ours, first, max_new_tokens=40, session=session, prompt_lookup_num_tokens=10)
    assert torch.equal(text, expected)
    assert forgetful.steps[0][0] >= 88
    assert sum(tokens for _, tokens in forgetful.steps) < 60


def test_a_guess_is_as_long_as_was_asked_for_at_most(forgetful: NearModel) -> None:
    write(forgetful.ours, prompt(40), prompt_lookup_num_tokens=4)
    assert max(tokens for _, tokens in forgetful.steps[1:]) == 5


def test_a_draft_model_is_still_transformers_own_affair(near: NearModel) -> None:
    near.local.generation_config.num_assistant_tokens = 5
    near.local.generation_config.assistant_confidence_threshold = 0.0
    config = near.local.generation_config
    config.max_length, config.min_length = 50, 0
    found = near.ours._get_candidate_generator(
        generation_config=config,
        input_ids=prompt(4),
        inputs_tensor=None,
        logits_processor=LogitsProcessorList(),
        model_kwargs={},
        assistant_model=near.local,
    )
    assert type(found) is AssistedCandidateGenerator


def guess(text: list[int], most: int = 6, max_length: int = 100, ends: list[int] | None = None) -> list[int]:
    lookup = AdaptiveLookup(most, max_length, ends=None if ends is None else torch.tensor(ends))
    lookup._pace.learn(most, most)  # so that the first guess is as long as can be
    ids: Any = torch.tensor([text])
    found, logits = lookup.get_candidates(ids)
    assert logits is None
    assert found[0, : len(text)].tolist() == text
    return found[0, len(text) :].tolist()


def test_a_guess_is_what_followed_last_time() -> None:
    assert guess([1, 2, 3, 4, 5, 9, 9, 1, 2], most=3) == [3, 4, 5]


def test_a_guess_that_reaches_the_texts_end_repeats_itself() -> None:
    assert guess([7, 1, 2, 3, 1, 2, 3]) == [1, 2, 3, 1, 2, 3]
    assert guess([7, 5, 5, 5]) == [5, 5, 5, 5, 5, 5]


def test_a_guess_leaves_room_for_the_token_that_its_step_gives() -> None:
    assert len(guess([7, 5, 5, 5], max_length=8)) == 3
    assert guess([7, 5, 5, 5], max_length=5) == []


def test_a_guess_ends_before_a_token_that_ends_the_text() -> None:
    assert guess([1, 2, 3, 0, 5, 9, 1, 2], ends=[0]) == [3]
    assert guess([1, 2, 0, 5, 9, 1, 2], ends=[0]) == []


@pytest.mark.parametrize("text", [[], [1], [1, 1], [1, 2, 3, 4], [1, 2, 3, 2]])
def test_where_too_little_matches_nothing_is_guessed(text: list[int]) -> None:
    assert find_match(torch.tensor(text, dtype=torch.int64), 2, 8) is None


def test_the_longest_match_wins_then_the_latest() -> None:
    text = torch.tensor([1, 2, 3, 10, 1, 2, 3, 11, 9, 2, 3, 12, 1, 2, 3])
    assert find_match(text, 2, 8) == 7
    assert find_match(text, 2, 2) == 11


def test_servers_that_cannot_forget_are_not_asked_to_guess() -> None:
    model: Any = SimpleNamespace(_is_stateful=False)
    assert can_forget(model, SimpleNamespace())  # type: ignore[arg-type]
    assert can_forget(model, SimpleNamespace(layer_types=["full_attention", "sliding_attention"]))  # type: ignore[arg-type]
    assert not can_forget(model, SimpleNamespace(layer_types=["full_attention", "linear_attention"]))  # type: ignore[arg-type]
    model._is_stateful = True
    assert not can_forget(model, SimpleNamespace(layer_types=None))  # type: ignore[arg-type]
