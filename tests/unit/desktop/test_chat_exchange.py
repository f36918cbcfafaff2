"""Conversations leave as files and come back."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from meadow_desktop.chat import tree
from meadow_desktop.chat.chat_settings import (
    BALANCED,
    BUILT_IN,
    USUAL,
    ChatSettings,
    make_preset,
    preset_of,
    use_preset,
)
from meadow_desktop.chat.conversation import Conversation, begin_conversation
from meadow_desktop.chat.exchange import ExportKind, ImportRefusedError, markdown_of, read_import, with_new_id
from meadow_desktop.chat.keeping.exchange_files import read_import_file, write_export

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def branched() -> Conversation:
    conversation = tree.ask(begin_conversation("Why?", NOW, ChatSettings(system_prompt="Be\nbrief.")), "Why?", NOW)
    conversation = tree.answer_again(completed(conversation, "Because."), now=NOW)
    return completed(conversation, "Therefore.")


def completed(conversation: Conversation, text: str) -> Conversation:
    pending = conversation.pending
    assert pending is not None
    done = pending.model_copy(update={"text": text, "phase": "complete", "model": "meadow-demo"})
    return tree.replace_answer(conversation, done)


def export(path: Path, kind: ExportKind, *conversations: Conversation) -> None:
    for _step in write_export(path, kind, conversations):
        pass


def test_json_brings_all_branches_back(tmp_path: Path) -> None:
    first, second = branched(), with_new_id(branched())
    export(tmp_path / "all.json", "json", first, second)
    assert list(read_import_file(tmp_path / "all.json")) == [first, second]
    assert [path.name for path in tmp_path.iterdir()] == ["all.json"]


def test_markdown_is_the_shown_branch_to_be_read(tmp_path: Path) -> None:
    assert markdown_of(branched()) == (
        "# Why?\n\n**Instructions**\n\n> Be\n> brief.\n\n"
        "## Question\n\nWhy?\n\n## Answer by meadow-demo\n\nTherefore.\n"
    )
    export(tmp_path / "all.md", "markdown", branched(), branched())
    assert (tmp_path / "all.md").read_text(encoding="utf-8").count("\n---\n") == 1


def test_an_export_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "all.json").write_text("old")
    steps = write_export(tmp_path / "all.json", "json", [branched()])
    next(steps)
    steps.close()  # as when the program ends
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]
    with pytest.raises(OSError, match="nowhere"):
        export(tmp_path / "nowhere" / "all.json", "json", branched())


@pytest.mark.parametrize(
    "chat",
    [
        {"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Why?"}]},
        [
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "Why?"}]},
        ],
    ],
)
def test_messages_of_openai_become_a_conversation(chat: object) -> None:
    (conversation,) = read_import(json.dumps(chat).encode())
    assert (conversation.title, conversation.settings.system_prompt) == ("Why?", "Be brief.")
    assert [message.text for message in conversation.messages] == ["Why?"]


def test_answers_of_openai_are_whole_answers() -> None:
    chat = {
        "model": "other",
        "title": "Mine",
        "messages": [
            {"role": "user", "content": "a"},
            {"role": "assistant", "content": "b"},
            {"role": "tool", "content": "left out"},
            {"role": "user", "content": "c"},
        ],
    }
    (conversation,) = read_import(json.dumps([chat]).encode())
    assert conversation.title == "Mine"
    assert [message.text for message in conversation.messages] == ["a", "b", "c"]
    assert not conversation.is_busy


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xfe",
        b"# Why?",
        b"[]",
        b"3",
        b"null",
        b'{"messages": []}',
        b'{"messages": [{"role": "system", "content": "only"}]}',
        b'{"messages": [{"role": "king", "content": "x"}]}',
        b'{"format": "meadow-conversations", "version": 1, "conversations": [{"format": 2, "id": "../x"}]}',
        b'{"format": "meadow-conversations", "version": 1, "conversations": "x"}',
        b'{"format": "meadow-conversations", "version": 7, "conversations": []}',
        b"[" * 100_000,
    ],
)
def test_a_wrong_file_is_one_sentence(data: bytes) -> None:
    with pytest.raises(ImportRefusedError) as caught:
        read_import(data)
    assert caught.value.problem.message
    assert caught.value.problem.advice


def test_presets_are_found_again_and_keep_the_limit_of_tokens() -> None:
    assert preset_of(USUAL) == BUILT_IN[0]
    mine = USUAL.model_copy(update={"sampling": USUAL.sampling.model_copy(update={"max_tokens": 100})})
    balanced = use_preset(mine, BALANCED)
    assert balanced.sampling.parameters() == {"temperature": 0.7, "top_p": 0.95, "max_tokens": 100}
    assert preset_of(balanced) == BALANCED
    own = make_preset(" My  own ", ChatSettings(system_prompt="Rhyme.", sampling=BALANCED.sampling))
    assert (own.name, own.is_own) == ("My own", True)
    assert preset_of(use_preset(USUAL, own), (own,)) == own
    assert preset_of(ChatSettings(system_prompt="Rhyme.", sampling=BALANCED.sampling)) == BALANCED
    odd = balanced.sampling.model_copy(update={"temperature": 0.33})
    assert preset_of(ChatSettings(sampling=odd)) is None
