"""Conversations as values: trees, what is sent of them, and the layouts they were written in."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from meadow_desktop.chat import tree
from meadow_desktop.chat.conversation import (
    Answer,
    Conversation,
    Question,
    begin_conversation,
    make_title,
    rename,
    request_messages,
    settle,
)
from meadow_desktop.chat.keeping.layouts import conversation_of, dump_conversation, read_conversation

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def answered(conversation: Conversation, text: str) -> Conversation:
    """The same with the answer that is under way completed."""
    pending = conversation.pending
    assert pending is not None
    return tree.replace_answer(conversation, pending.model_copy(update={"text": text, "phase": "complete"}))


def talk(*turns: tuple[str, str]) -> Conversation:
    conversation = begin_conversation(turns[0][0], NOW)
    for question, text in turns:
        conversation = answered(tree.ask(conversation, question, NOW), text)
    return conversation


def texts(conversation: Conversation) -> list[str]:
    return [message.text for message in conversation.messages]


def test_a_title_is_the_first_line_with_words_cut_at_a_word() -> None:
    assert make_title("\n  What is\ta swarm? \nmore") == "What is a swarm?"
    long = make_title("word " * 40)
    assert long.endswith("word…")
    assert len(long) <= 61
    assert len(make_title("x" * 500)) == 61
    assert make_title(" \n") == "New conversation"


def test_another_title_is_one_line_and_never_empty() -> None:
    conversation = talk(("old", "a"))
    assert rename(conversation, " A \n new  title ").title == "A new title"
    assert rename(conversation, " \n") is conversation


def test_a_request_holds_the_instructions_and_the_turns_but_no_failed_empty_ones() -> None:
    messages: list[Question | Answer] = [
        Question(text="one"),
        Answer(text="", phase="failed"),
        Question(text="two"),
        Answer(text="half", phase="stopped"),
        Question(text="three"),
        Answer(),
    ]
    assert [(each["role"], each["content"]) for each in request_messages(messages, "Be brief.")] == [
        ("system", "Be brief."),
        ("user", "two"),
        ("assistant", "half"),
        ("user", "three"),
    ]
    assert request_messages(messages, " ")[0]["role"] == "user"


def test_another_answer_stands_beside_the_first_and_both_can_be_shown() -> None:
    first = talk(("Why?", "Because."))
    second = tree.answer_again(first)
    assert texts(second) == ["Why?", ""]
    assert second.is_busy
    second = answered(second, "Therefore.")
    back = tree.switch(second, second.leaf, -1)
    assert texts(back) == ["Why?", "Because."]
    assert texts(tree.switch(back, back.leaf, -1)) == texts(back)  # there is none before the first
    assert texts(tree.switch(back, back.leaf, +1)) == ["Why?", "Therefore."]


def test_an_edited_question_branches_and_switching_back_shows_what_followed_it_last() -> None:
    first = talk(("one", "1"), ("two", "2"), ("three", "3"))
    two = first.messages[2].id
    branched = answered(tree.edit_question(first, two, "zwei", NOW), "II")
    assert texts(branched) == ["one", "1", "zwei", "II"]
    shown = tree.switch(branched, branched.messages[2].id, -1)
    assert texts(shown) == texts(first)
    assert tree.siblings(shown, two) == [two, branched.messages[2].id]
    assert tree.edit_question(first, "nobody", "x") is first


def test_a_deleted_message_takes_along_all_that_followed_and_comes_back_where_it_stood() -> None:
    first = talk(("one", "1"), ("two", "2"))
    both = answered(tree.answer_again(first, first.messages[1].id), "one more")
    old = tree.switch(both, both.leaf, -1)
    rest, removed = tree.remove(old, old.messages[1].id)
    assert texts(rest) == ["one", "one more"]
    assert len(removed.messages) == 3
    later = answered(tree.ask(rest, "meanwhile", NOW), "m")
    restored = tree.restore(later, removed)
    assert texts(restored) == texts(old)
    assert [node.text for node in restored.nodes][:5] == ["one", "1", "two", "2", "one more"]
    assert texts(tree.switch(restored, restored.messages[1].id, +1)) == ["one", "one more", "meanwhile", "m"]
    nothing, everything = tree.remove(first, first.messages[0].id)
    assert nothing.messages == ()
    assert tree.restore(nothing, everything) == first


def test_a_question_whose_answer_was_deleted_can_be_answered() -> None:
    first = talk(("one", "1"))
    rest, _removed = tree.remove(first, first.leaf)
    assert texts(rest) == ["one"]
    assert texts(answered(tree.answer_again(rest), "again")) == ["one", "again"]


def test_a_found_message_is_shown_on_its_branch() -> None:
    branched = answered(tree.edit_question(first := talk(("one", "1"), ("two", "2")), first.messages[0].id, "uno"), "I")
    assert texts(branched) == ["uno", "I"]
    assert texts(tree.show_message(branched, first.messages[2].id)) == ["one", "1", "two", "2"]
    assert [each.text for each in tree.path_to(branched, first.messages[1].id)] == ["one", "1"]


def test_an_answer_that_was_under_way_when_the_program_died_was_stopped() -> None:
    asking = tree.ask(talk(("one", "1")), "two", NOW)
    assert settle(asking).last_answer == asking.nodes[-1].model_copy(update={"phase": "stopped"})
    assert not settle(asking).is_busy


def test_a_conversation_comes_back_from_json_as_it_was() -> None:
    conversation = answered(tree.answer_again(talk(("one", "1"))), "2")
    assert read_conversation(json.dumps(dump_conversation(conversation))) == conversation


def test_format_1_becomes_a_tree_of_one_branch_and_loses_nothing() -> None:
    origin = {"chain": [], "tokens_per_second": 3.0, "first_token_s": 0.5, "recoveries": []}
    old = {
        "format": 1,
        "id": "a" * 32,
        "title": "Old",
        "created": "2025-01-01T00:00:00Z",
        "changed": "2025-01-02T00:00:00Z",
        "messages": [
            {"role": "user", "text": "one"},
            {"role": "assistant", "text": "1", "phase": "complete", "notice": "", "origin": origin, "problem": None},
            {"role": "user", "text": "two"},
            {
                "role": "assistant",
                "text": "",
                "phase": "failed",
                "problem": {"code": "server-lost", "message": "It left", "advice": "Ask again."},
            },
        ],
    }
    conversation = conversation_of(old)
    assert texts(conversation) == ["one", "1", "two", ""]
    assert (conversation.id, conversation.title, conversation.changed.day) == ("a" * 32, "Old", 2)
    second, last = conversation.messages[1], conversation.last_answer
    assert isinstance(second, Answer)
    assert second.origin is not None
    assert second.origin.tokens_per_second == 3.0
    assert last is not None
    assert last.problem is not None
    assert last.problem.code == "server-lost"


@pytest.mark.parametrize(
    "nodes",
    [
        (Question(id="1", text="a"), Question(id="1", text="b")),
        (Question(id="2", parent="1", text="a"), Question(id="1", text="b")),
        (Question(id="1", parent="1", text="a"),),
        (Question(id="", text="a"),),
    ],
)
def test_messages_that_make_no_tree_are_refused(nodes: tuple[Question | Answer, ...]) -> None:
    broken = replace(begin_conversation("q", NOW), nodes=nodes)
    with pytest.raises(ValueError, match="no tree"):
        conversation_of(dump_conversation(broken))
