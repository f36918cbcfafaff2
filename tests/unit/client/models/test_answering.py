"""Answers come piece by piece, and end for a reason."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from fakes.answers import CONTEXT, FakeModel, Letters, ask
from meadow_client.errors import ContextExceededError, ServerLostError, UsageError
from meadow_client.models.answering import Answerer, End, Piece, Question
from meadow_client.models.draft import DraftModel
from meadow_client.models.sampling import Sampling
from meadow_client.session.swarm_client import Waiting


async def test_an_answer_that_ends_by_itself_says_stop(answerer: Answerer) -> None:
    text, end = await ask(answerer)
    assert text == "Hello"
    assert (end.finish_reason, end.prompt_tokens, end.completion_tokens) == ("stop", 3, 6)


async def test_an_answer_that_fills_its_room_says_length(answerer: Answerer) -> None:
    text, end = await ask(answerer, max_new_tokens=4)
    assert (text, end.finish_reason, end.completion_tokens) == ("Hell", "length", 4)


async def test_an_answer_whose_last_token_ends_it_says_stop(answerer: Answerer) -> None:
    assert (await ask(answerer, max_new_tokens=6))[1].finish_reason == "stop"


async def test_an_answer_stops_before_a_stop_string(answerer: Answerer) -> None:
    text, end = await ask(answerer, stops=["ll"], max_new_tokens=4)
    assert (text, end.finish_reason, end.completion_tokens) == ("He", "stop", 4)


async def test_what_only_began_like_a_stop_string_is_said(answerer: Answerer) -> None:
    assert (await ask(answerer, stops=["lox"]))[0] == "Hello"


@pytest.mark.parametrize("at_once", [1, 2, 3, 4, 10])
async def test_several_tokens_in_a_step_are_counted_one_by_one(
    answerer: Answerer, model: FakeModel, at_once: int
) -> None:
    model.at_once = at_once
    text, end = await ask(answerer)
    assert (text, end.finish_reason, end.completion_tokens) == ("Hello", "stop", 6)


@pytest.mark.parametrize("at_once", [2, 5, 10])
async def test_what_was_guessed_behind_a_stop_string_is_not_said(
    answerer: Answerer, model: FakeModel, at_once: int
) -> None:
    model.at_once = at_once
    text, end = await ask(answerer, stops=["el"], max_new_tokens=6)
    assert (text, end.finish_reason, end.completion_tokens) == ("H", "stop", 3)


@pytest.mark.parametrize("at_once", [1, 4, 20])
async def test_what_was_guessed_behind_the_last_token_is_not_said(
    answerer: Answerer, model: FakeModel, at_once: int
) -> None:
    model.text, model.at_once = "Hello. And more", at_once
    text, end = await ask(answerer)
    assert (text, end.finish_reason, end.completion_tokens) == ("Hello", "stop", 6)


async def test_what_was_guessed_behind_the_limit_is_not_said(answerer: Answerer, model: FakeModel) -> None:
    model.at_once = 3
    text, end = await ask(answerer, max_new_tokens=4)
    assert (text, end.finish_reason, end.completion_tokens) == ("Hell", "length", 4)


async def test_the_speed_leaves_out_what_came_with_the_first_step(answerer: Answerer, model: FakeModel) -> None:
    model.at_once = 20
    assert (await ask(answerer))[1].tokens_per_second == 0.0
    model.at_once = 5
    assert (await ask(answerer))[1].tokens_per_second > 0.0


async def test_guessing_from_the_text_can_be_left_out(answerer: Answerer, model: FakeModel) -> None:
    await ask(answerer)
    assert model.asked["prompt_lookup_num_tokens"] == 10
    await ask(answerer, lookup=False)
    assert "prompt_lookup_num_tokens" not in model.asked


async def test_a_draft_model_guesses_as_far_as_its_context_reaches(model: FakeModel, tokenizer: Letters) -> None:
    description: Any = SimpleNamespace(name="demo", context_length=CONTEXT, text_config=SimpleNamespace())
    found = Answerer(description, model, tokenizer, DraftModel("small model", 10))
    await ask(found, max_new_tokens=7, lookup=False)
    assert model.asked["assistant_model"] == "small model"
    assert "prompt_lookup_num_tokens" not in model.asked
    await ask(found, max_new_tokens=8)
    assert "assistant_model" not in model.asked
    assert model.asked["prompt_lookup_num_tokens"] == 10
    found.close()


async def test_nothing_is_guessed_where_servers_cannot_forget(model: FakeModel, tokenizer: Letters) -> None:
    config = SimpleNamespace(layer_types=["linear_attention", "full_attention"])
    description: Any = SimpleNamespace(name="demo", context_length=CONTEXT, text_config=config)
    found = Answerer(description, model, tokenizer, DraftModel("small model", CONTEXT))
    await ask(found)
    assert not {"assistant_model", "prompt_lookup_num_tokens"} & set(model.asked)
    found.close()


async def test_an_answer_has_as_much_room_as_the_context_leaves(answerer: Answerer, model: FakeModel) -> None:
    await ask(answerer)
    assert (model.asked["max_new_tokens"], model.sessions[0].max_length) == (CONTEXT - 3, CONTEXT)
    await ask(answerer, max_new_tokens=5)
    assert (model.asked["max_new_tokens"], model.sessions[1].max_length) == (5, CONTEXT)


@pytest.mark.parametrize(("tokens", "wanted"), [(CONTEXT, None), (CONTEXT + 1, None), (CONTEXT - 2, 3), (CONTEXT, 1)])
async def test_what_does_not_fit_is_refused(answerer: Answerer, tokens: int, wanted: int | None) -> None:
    with pytest.raises(ContextExceededError) as caught:
        await ask(answerer, ids=[1] * tokens, max_new_tokens=wanted)
    assert caught.value.limit == CONTEXT


async def test_the_context_can_be_filled_to_its_last_token(answerer: Answerer) -> None:
    _, end = await ask(answerer, ids=[1] * (CONTEXT - 1))
    assert end.completion_tokens == 1


async def test_how_to_draw_tokens_is_passed_on(answerer: Answerer, model: FakeModel) -> None:
    await ask(answerer)
    assert len(model.asked["logits_processor"]) == 0
    await ask(answerer, sampling=Sampling(0.5, 0.9, 7))
    assert len(model.asked["logits_processor"]) == 3
    assert model.asked["do_sample"] is False


async def test_waiting_for_layers_is_told_before_the_answer(answerer: Answerer, model: FakeModel) -> None:
    model.waits_for = Waiting("demo", [(0, 3)], 15.0)
    events = [event async for event in answerer.answer(Question([1]))]
    assert events[0] == model.waits_for
    assert isinstance(events[-1], End)


async def test_what_was_said_before_a_failure_stands(answerer: Answerer, model: FakeModel) -> None:
    model.fails_with = ServerLostError("12D3KooWlost", 0, 3)
    events = answerer.answer(Question([1]))
    assert [await anext(events) for _ in "Hello"] == [Piece(letter) for letter in "Hello"]
    with pytest.raises(ServerLostError):
        await anext(events)
    assert model.sessions[0].is_closed.is_set()


def test_a_conversation_without_a_template_is_written_in_turns(answerer: Answerer) -> None:
    ids = answerer.chat_ids([{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi"}])
    assert "".join(map(chr, ids)) == "System: Be kind.\nUser: Hi\nAssistant:"


def test_a_conversation_that_the_template_refuses_is_wrong_usage(answerer: Answerer, tokenizer: Any) -> None:
    def refuse(*_asked: Any, **_options: Any) -> None:
        raise ValueError("roles must alternate")

    tokenizer.chat_template = "…"
    tokenizer.apply_chat_template = refuse
    with pytest.raises(UsageError, match="roles must alternate"):
        answerer.chat_ids([{"role": "user", "content": "Hi"}])


def test_the_models_own_sampling_is_what_its_files_say(answerer: Answerer, model: FakeModel) -> None:
    assert answerer.default_sampling() == Sampling()
    model.generation_config = SimpleNamespace(do_sample=True, temperature=0.7, top_p=None)
    assert answerer.default_sampling() == Sampling(0.7, 1.0)
