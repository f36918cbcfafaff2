"""Answers come piece by piece, end for a reason, and stop when nobody reads on."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from meadow_client.errors import ContextExceededError, ServerLostError, UsageError
from meadow_client.models.answering import AnswerCutError, Answerer, End, Piece, Question
from meadow_client.models.draft import DraftModel
from meadow_client.models.sampling import Sampling
from meadow_client.models.shelf import Shelf
from meadow_client.routing.chains import Leg
from meadow_client.session.chain import Member
from meadow_client.session.swarm_client import Waiting
from meadow_client.session.upkeep import Recovery

CONTEXT = 128
LONG = list(range(200, 240))
END_TOKEN = ord(".")


class Letters:
    """A tokenizer with one token for each letter."""

    chat_template: str | None = None

    def __call__(self, text: str) -> dict[str, list[int]]:
        return {"input_ids": [ord(letter) for letter in text]}

    def decode(self, ids: list[int], **_options: Any) -> str:
        return "".join(chr(token) for token in ids if token != END_TOKEN)


class FakeSession:
    def __init__(self, max_length: int, on_waiting: Callable[[Waiting], None]) -> None:
        self.max_length = max_length
        self.on_waiting = on_waiting
        self.members: list[Any] = []
        self.recoveries: list[Recovery] = []
        self.tokens: torch.Tensor | None = None
        self.position = 0
        self.is_cancelled = threading.Event()
        self.is_closed = threading.Event()

    def hold(self, ids: torch.Tensor) -> None:
        """All but the last token, as a session does that `generate` has used."""
        self.tokens, self.position = ids[:, :-1], ids.shape[1] - 1

    def cancel(self) -> None:
        self.is_cancelled.set()

    def close(self) -> None:
        self.is_closed.set()


class FakeModel:
    """Says `text`, `at_once` tokens in each step, as Transformers' generate would.

    Then it raises `fails_with`; endless, it goes on without a word until it is stopped; hanging, until it is cancelled;
    a silent one does so before its first token. A muddled one leaves sessions that are not certain what they know.
    """

    device = torch.device("cpu")

    def __init__(self) -> None:
        self.text = "Hello."
        self.fails_with: Exception | None = None
        self.waits_for: Waiting | None = None
        self.is_endless = False
        self.is_silent = False
        self.is_hanging = False
        self.is_muddled = False
        self.loses: list[Recovery] = []
        self.at_once = 1
        self.sessions: list[FakeSession] = []
        self.began: list[FakeSession] = []
        self.generation_config = SimpleNamespace(eos_token_id=END_TOKEN, do_sample=False)
        self.remote = SimpleNamespace(inference_session=self._open)
        self.asked: dict[str, Any] = {}

    def talk_on(self) -> None:
        """Come to no end."""
        self.text, self.is_endless = "Hello", True

    def _open(self, max_length: int, on_waiting: Callable[[Waiting], None]) -> FakeSession:
        self.sessions.append(FakeSession(max_length, on_waiting))
        return self.sessions[-1]

    def generate(self, ids: torch.Tensor, *, session: FakeSession, streamer: Any, **asked: Any) -> torch.Tensor:
        self.asked = asked
        if self.waits_for is not None:
            session.on_waiting(self.waits_for)
        streamer.put(ids)
        self.began.append(session)
        if self.is_silent:
            session.is_cancelled.wait()
            raise CancelledError
        session.recoveries += self.loses
        for first in range(0, min(len(self.text), asked["max_new_tokens"]), self.at_once):
            tokens = torch.tensor([ord(letter) for letter in self.text[first : first + self.at_once]])
            ids = torch.cat([ids, tokens[None]], dim=1)
            streamer.put(tokens if self.at_once == 1 else tokens[None])
            if bool(asked["stopping_criteria"](ids, None).all()):
                break
        session.hold(ids)
        streamer.end()
        if self.fails_with is not None:
            raise self.fails_with
        if self.is_hanging:
            session.is_cancelled.wait()
        while self.is_endless and not bool(asked["stopping_criteria"](ids, None).all()):
            if session.is_cancelled.wait(0.01):
                break
        if session.is_cancelled.is_set():
            raise CancelledError
        if self.is_muddled:
            session.position -= 1
        return ids


async def ask_on(events: Any) -> None:
    async for _ in events:
        pass


@pytest.fixture
def model() -> FakeModel:
    return FakeModel()


@pytest.fixture
def tokenizer() -> Letters:
    return Letters()


@pytest.fixture
def answerer(model: FakeModel, tokenizer: Letters) -> Iterator[Answerer]:
    description: Any = SimpleNamespace(name="demo", context_length=CONTEXT, text_config=SimpleNamespace())
    found = Answerer(description, model, tokenizer)
    yield found
    found.close()


async def ask(answerer: Answerer, **question: Any) -> tuple[str, End]:
    text = ""
    async for event in answerer.answer(Question(**{"ids": [1, 2, 3], **question})):
        if isinstance(event, Piece):
            text += event.text
        elif isinstance(event, End):
            return text, event
    raise AssertionError("an answer ended without its end")


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


async def test_an_answer_that_nobody_reads_on_ends_its_step(answerer: Answerer, model: FakeModel) -> None:
    model.talk_on()
    events = answerer.answer(Question([1]))
    assert await anext(events) == Piece("H")
    await events.aclose()  # type: ignore[attr-defined]
    await asyncio.to_thread(answerer._threads.shutdown)  # waits for the answer's thread
    assert not model.sessions[0].is_cancelled.is_set()
    assert not model.sessions[0].is_closed.is_set()


async def test_an_answer_that_nobody_reads_on_and_whose_step_does_not_end_is_cancelled(
    answerer: Answerer, model: FakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("meadow_client.models.answering._LAST_STEP_S", 0.05)
    model.is_hanging = True
    events = answerer.answer(Question([1]))
    assert await anext(events) == Piece("H")
    await events.aclose()  # type: ignore[attr-defined]
    assert await asyncio.to_thread(model.sessions[0].is_closed.wait, 10)


async def test_an_answer_that_nobody_waits_for_is_cancelled_before_its_first_token(
    answerer: Answerer, model: FakeModel
) -> None:
    model.is_silent = True
    events = answerer.answer(Question(LONG))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await anext(events)
    assert model.began == model.sessions
    assert await asyncio.to_thread(model.sessions[0].is_closed.wait, 10)
    assert model.sessions[0].is_cancelled.is_set()
    model.is_silent = False
    assert (await ask(answerer, ids=LONG))[1].cached_tokens == 0


async def test_the_next_turn_goes_on_in_the_session_of_the_last_one(answerer: Answerer, model: FakeModel) -> None:
    model.text = "Hello"
    text, end = await ask(answerer, ids=LONG, max_new_tokens=5)
    assert end.cached_tokens == 0
    turn = [*LONG, *map(ord, text), 7, 8]
    _, end = await ask(answerer, ids=turn)
    assert end.cached_tokens == len(LONG) + 4  # the last token was never computed
    assert len(model.sessions) == 1
    assert model.began == [model.sessions[0]] * 2


async def test_who_lost_the_connection_and_asks_again_pays_for_one_token(answerer: Answerer, model: FakeModel) -> None:
    model.talk_on()
    events = answerer.answer(Question(LONG))
    await anext(events)
    await events.aclose()  # type: ignore[attr-defined]
    model.is_endless, model.text = False, "Hello."
    assert (await ask(answerer, ids=LONG))[1].cached_tokens == len(LONG) - 1
    assert len(model.sessions) == 1


async def test_answers_at_the_same_time_do_not_share_what_is_known(answerer: Answerer, model: FakeModel) -> None:
    await ask(answerer, ids=LONG)
    model.talk_on()
    answers = [answerer.answer(Question(LONG)) for _ in range(2)]
    for events in answers:
        await anext(events)
    assert len(set(map(id, model.began[1:]))) == 2
    for events in answers:
        await events.aclose()  # type: ignore[attr-defined]


async def test_a_session_that_failed_is_not_kept(answerer: Answerer, model: FakeModel) -> None:
    model.fails_with = ServerLostError("12D3KooWlost", 0, 3)
    with pytest.raises(ServerLostError):
        await ask(answerer, ids=LONG)
    model.fails_with = None
    assert (await ask(answerer, ids=LONG))[1].cached_tokens == 0


async def test_a_session_that_is_not_certain_what_it_knows_is_not_kept(answerer: Answerer, model: FakeModel) -> None:
    model.is_muddled = True
    await ask(answerer, ids=LONG)
    assert await asyncio.to_thread(model.sessions[0].is_closed.wait, 10)
    assert (await ask(answerer, ids=LONG))[1].cached_tokens == 0


async def test_where_servers_cannot_forget_only_whole_texts_are_gone_on_with(
    model: FakeModel, tokenizer: Letters
) -> None:
    config = SimpleNamespace(layer_types=["linear_attention"])
    description: Any = SimpleNamespace(name="demo", context_length=CONTEXT, text_config=config)
    found = Answerer(description, model, tokenizer)
    model.text = "Hello"
    await ask(found, ids=LONG, max_new_tokens=5)
    assert (await ask(found, ids=[*LONG, 7], max_new_tokens=5))[1].cached_tokens == 0
    whole = [*LONG, *map(ord, "Hello"), 7]
    assert (await ask(found, ids=whole, max_new_tokens=5))[1].cached_tokens == len(LONG) + 4
    found.close()


async def test_a_wait_is_told_to_whoever_has_the_session_now(answerer: Answerer, model: FakeModel) -> None:
    await ask(answerer, ids=LONG)
    model.waits_for = Waiting("demo", [(0, 3)], 15.0)
    events = [event async for event in answerer.answer(Question(LONG))]
    assert events[0] == model.waits_for
    assert len(model.sessions) == 1
    model.sessions[0].on_waiting(model.waits_for)  # nobody asks: nobody hears


async def test_an_answer_tells_of_its_own_recoveries_only(answerer: Answerer, model: FakeModel) -> None:
    lost, other = Member(Leg("12D3KooWlost", 0, 3), "computer-2"), Member(Leg("12D3KooWother", 0, 3), "computer-5")
    model.loses = [Recovery((lost,), (other,), 0.2)]
    assert (await ask(answerer, ids=LONG))[1].recoveries == model.loses
    assert (await ask(answerer, ids=LONG))[1].recoveries == model.loses
    model.loses = []
    assert (await ask(answerer, ids=LONG))[1].recoveries == []
    assert len(model.sessions) == 1


async def test_what_nobody_asks_for_is_closed_after_a_while(model: FakeModel, tokenizer: Letters) -> None:
    description: Any = SimpleNamespace(name="demo", context_length=CONTEXT, text_config=SimpleNamespace())
    found = Answerer(description, model, tokenizer, shelf=Shelf(keep_s=0.1))
    await ask(found, ids=LONG)
    assert not model.sessions[0].is_closed.is_set()
    assert await asyncio.to_thread(model.sessions[0].is_closed.wait, 10)
    found.close()


async def test_closing_lets_go_of_what_is_kept(answerer: Answerer, model: FakeModel) -> None:
    await ask(answerer, ids=LONG)
    await answerer.aclose()
    assert model.sessions[0].is_closed.is_set()
    with pytest.raises(AnswerCutError):
        await ask(answerer, ids=LONG)


async def test_answers_side_by_side_have_sessions_of_their_own(answerer: Answerer, model: FakeModel) -> None:
    answers = await asyncio.gather(*(ask(answerer) for _ in range(5)))
    assert [text for text, _ in answers] == ["Hello"] * 5
    assert len(model.sessions) == 5


async def test_closing_stops_all_answers(answerer: Answerer, model: FakeModel) -> None:
    model.talk_on()
    events = answerer.answer(Question([1]))
    await anext(events)
    answerer.close()
    assert await asyncio.to_thread(model.sessions[0].is_closed.wait, 10)
    with pytest.raises(AnswerCutError):
        await ask_on(events)


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
