"""A session is kept when its answer is complete, stopped when nobody reads on, and closed in the end."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from fakes.answers import CONTEXT, LONG, FakeModel, Letters, ask
from meadow_client.errors import ServerLostError
from meadow_client.models.answering import AnswerCutError, Answerer, Piece, Question
from meadow_client.models.shelf import Shelf
from meadow_client.routing.chains import Leg
from meadow_client.session.chain import Member
from meadow_client.session.swarm_client import Waiting
from meadow_client.session.upkeep import Recovery


async def ask_on(events: Any) -> None:
    async for _ in events:
        pass


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
