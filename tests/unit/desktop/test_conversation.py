"""Conversations as values, and their files."""

from __future__ import annotations

import errno
import os
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from meadow_desktop.chat.conversation import (
    Answer,
    Conversation,
    Question,
    ask,
    ask_again,
    begin_conversation,
    make_title,
    replace_last_answer,
    request_messages,
)
from meadow_desktop.chat.store import ConversationStore, StoreError


def answered(question: str, text: str, hour: int = 1) -> Conversation:
    now = datetime(2026, 1, 1, hour, tzinfo=UTC)
    conversation = ask(begin_conversation(question, now), question, now)
    return replace_last_answer(conversation, Answer(text=text, phase="complete"))


def test_a_title_is_the_first_line_with_words_cut_at_a_word() -> None:
    assert make_title("\n  What is\ta swarm? \nmore") == "What is a swarm?"
    long = make_title("word " * 40)
    assert long.endswith("word…")
    assert len(long) <= 61
    assert len(make_title("x" * 500)) == 61
    assert make_title(" \n") == "New conversation"


def test_a_request_holds_the_turns_but_no_failed_empty_ones() -> None:
    messages: list[Question | Answer] = [
        Question(text="one"),
        Answer(text="", phase="failed"),
        Question(text="two"),
        Answer(text="half", phase="stopped"),
        Question(text="three"),
        Answer(),
    ]
    assert [(each["role"], each["content"]) for each in request_messages(messages)] == [
        ("user", "two"),
        ("assistant", "half"),
        ("user", "three"),
    ]


def test_asking_again_drops_the_last_answer_only() -> None:
    again = ask_again(answered("Why?", "Because."))
    assert again.messages == (Question(text="Why?"), Answer())
    assert again.is_busy


def test_conversations_come_back_as_they_were_saved_latest_first(tmp_path: Path) -> None:
    store = ConversationStore(tmp_path / "conversations")
    old, new = answered("old", "text 🌱", hour=1), answered("new", "text", hour=2)
    store.save(new)
    store.save(old)
    assert ConversationStore(tmp_path / "conversations").load().conversations == [new, old]
    mode = stat.S_IMODE((tmp_path / "conversations" / f"{old.id}.json").stat().st_mode)
    assert mode == 0o600


def test_an_answer_that_was_under_way_when_the_program_died_is_stopped(tmp_path: Path) -> None:
    store = ConversationStore(tmp_path)
    writing = replace_last_answer(answered("q", ""), Answer(text="Half", phase="writing"))
    store.save(writing)
    (loaded,) = store.load().conversations
    assert loaded.last_answer == Answer(text="Half", phase="stopped")


def test_no_folder_yet_means_no_conversations(tmp_path: Path) -> None:
    loaded = ConversationStore(tmp_path / "nowhere").load()
    assert (loaded.conversations, loaded.problems) == ([], [])


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b'{"format": 2}', b"[]"])
def test_a_broken_file_is_set_aside_and_reported_and_the_others_stay(tmp_path: Path, content: bytes) -> None:
    store = ConversationStore(tmp_path)
    good = answered("good", "text")
    store.save(good)
    (tmp_path / "bad.json").write_bytes(content)
    loaded = store.load()
    assert loaded.conversations == [good]
    assert [problem.code for problem in loaded.problems] == ["conversation-broken"]
    assert (tmp_path / "bad.json.broken").read_bytes() == content
    assert store.load().problems == []


def test_a_folder_that_cannot_be_written_is_one_sentence_and_advice(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    store = ConversationStore(tmp_path / "file" / "conversations")
    with pytest.raises(StoreError) as caught:
        store.save(answered("q", "a"))
    assert "cannot be saved" in caught.value.problem.message
    assert caught.value.problem.advice
    assert store.load().conversations == []
    store.delete("0" * 32)


def test_a_full_disk_leaves_the_old_file_and_no_leftover(tmp_path: Path) -> None:
    conversation = answered("q", "a")
    ConversationStore(tmp_path).save(conversation)

    def fill(path: Path, text: str) -> None:
        path.with_name(f"{path.name}.{os.getpid()}.new").write_text(text[:5])
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(StoreError) as caught:
        ConversationStore(tmp_path, write=fill).save(ask(conversation, "more"))
    assert caught.value.problem.code == "disk-full"
    assert [path.name for path in tmp_path.iterdir()] == [f"{conversation.id}.json"]
    assert ConversationStore(tmp_path).load().conversations == [conversation]


def test_a_deleted_conversation_is_gone(tmp_path: Path) -> None:
    store = ConversationStore(tmp_path)
    conversation = answered("q", "a")
    store.save(conversation)
    store.delete(conversation.id)
    store.delete(conversation.id)
    assert store.load().conversations == []
