"""How much of what the model can hold is taken, and what is left out when it is too much."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from meadow_desktop.chat import tree
from meadow_desktop.chat.chat_settings import ChatSettings, Sampling
from meadow_desktop.chat.context import (
    ContextUse,
    estimate_request,
    estimate_tokens,
    fit,
    measure_context,
    reserve_for_answer,
)
from meadow_desktop.chat.conversation import Conversation, Usage, begin_conversation

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def talk(turns: int, length: int, settings: ChatSettings | None = None) -> Conversation:
    """So many turns of `length` characters each way, and one question more whose answer is under way."""
    conversation = begin_conversation("q", NOW, settings)
    for number in range(turns):
        conversation = tree.ask(conversation, f"{number}".ljust(length, "q"), NOW)
        pending = conversation.pending
        assert pending is not None
        answer = pending.model_copy(update={"text": "a" * length, "phase": "complete"})
        conversation = tree.replace_answer(conversation, answer)
    return tree.ask(conversation, "the last", NOW)


def test_four_characters_make_a_token_but_one_of_a_script_without_spaces() -> None:
    assert estimate_tokens("") == 0
    assert estimate_tokens("12345") == 2
    assert estimate_tokens("日本語") == 3
    assert estimate_tokens("Überall") == 2


def test_counted_tokens_are_exact_and_the_unsent_text_is_an_estimate() -> None:
    conversation = talk(1, 400)
    assert measure_context(conversation, "", 4096).is_estimate
    answer = conversation.nodes[1]
    counted = tree.remove(conversation, conversation.messages[2].id)[0]
    usage = Usage(prompt_tokens=90, completion_tokens=110)
    counted = replace(counted, nodes=(counted.nodes[0], answer.model_copy(update={"usage": usage})))
    assert measure_context(counted, "", 4096) == ContextUse(200, 4096, is_estimate=False)
    assert measure_context(counted, "x" * 40, 4096) == ContextUse(214, 4096, is_estimate=True)
    assert measure_context(None, "", None) == ContextUse(0, None, is_estimate=False)


def test_everything_is_sent_while_there_is_room_or_nobody_knows() -> None:
    conversation = talk(5, 400)
    assert fit(conversation, conversation.messages, 100_000).left_out == 0
    assert fit(conversation, conversation.messages, None).left_out == 0


def test_the_oldest_turns_are_left_out_and_never_the_instructions_or_the_last_question() -> None:
    conversation = talk(10, 400, ChatSettings(system_prompt="Be brief."))
    fitted = fit(conversation, conversation.messages, 1000)
    assert fitted.left_out > 0
    assert fitted.left_out % 2 == 0
    assert fitted.messages[0] == {"role": "system", "content": "Be brief."}
    assert fitted.messages[1]["role"] == "user"
    assert fitted.messages[-1]["content"] == "the last"
    assert estimate_request(fitted.messages) <= 1000 - reserve_for_answer(1000, None)
    tiny = fit(conversation, conversation.messages, 1)
    assert [each["role"] for each in tiny.messages] == ["system", "user"]


def test_a_conversation_may_say_that_nothing_is_left_out() -> None:
    conversation = talk(10, 400, ChatSettings(leaves_out_oldest=False))
    assert fit(conversation, conversation.messages, 100, squeezes=3).left_out == 0


def test_each_refusal_leaves_out_more_even_where_nobody_knows_the_limit() -> None:
    conversation = talk(10, 400)
    left_out = [fit(conversation, conversation.messages, None, squeezes).left_out for squeezes in range(4)]
    assert left_out == sorted(set(left_out))


def test_a_count_that_was_larger_than_the_estimate_corrects_the_next_one() -> None:
    conversation = talk(4, 400)
    before = fit(conversation, conversation.messages, 1200).left_out
    place, answer = next((place, each) for place, each in enumerate(conversation.nodes) if place == 7)
    dense = answer.model_copy(update={"usage": Usage(prompt_tokens=2000, completion_tokens=1)})
    counted = replace(conversation, nodes=(*conversation.nodes[:place], dense, *conversation.nodes[place + 1 :]))
    assert fit(counted, counted.messages, 1200).left_out > before


def test_room_for_the_answer_is_what_was_asked_for_within_reason() -> None:
    assert reserve_for_answer(8192, None) == 1024
    assert reserve_for_answer(512, None) == 128
    assert reserve_for_answer(8192, 300) == 300
    assert reserve_for_answer(512, 4000) == 256
    assert ChatSettings(sampling=Sampling(max_tokens=5)).sampling.parameters() == {"max_tokens": 5}
