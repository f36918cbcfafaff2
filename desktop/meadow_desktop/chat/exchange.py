"""Conversations as files for people (markdown) and for programs (JSON), and back. Pure.

JSON, complete: {"format": "meadow-conversations", "version": 1, "conversations": [all branches of each]}
Markdown:       what is shown of a conversation, to be read
Taken in:       this JSON, one file of the time before it, or OpenAI's {"messages": [{"role", "content"}]}
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from meadow_desktop.chat.chat_settings import ChatSettings
from meadow_desktop.chat.conversation import (
    ROOT,
    UNTITLED,
    Answer,
    Conversation,
    Question,
    begin_conversation,
    new_id,
    settle,
)
from meadow_desktop.chat.keeping.layouts import conversation_of, dump_conversation
from meadow_desktop.language import _
from meadow_engine.api.errors import Problem

ExportKind = Literal["markdown", "json"]

JSON_FORMAT = "meadow-conversations"
JSON_VERSION = 1
_MOST_CONVERSATIONS = 100_000


class ImportRefusedError(Exception):
    """The file holds no conversations that can be taken in; `problem` is for the person."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


class _TextPart(BaseModel):
    text: str = ""


class _OpenAiMessage(BaseModel):
    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[_TextPart] | None = None

    @property
    def text(self) -> str:
        if isinstance(self.content, list):
            return "".join(part.text for part in self.content)
        return self.content or ""


class _OpenAiChat(BaseModel):
    model_config = ConfigDict(extra="ignore")

    messages: list[_OpenAiMessage] = Field(min_length=1)
    title: str = ""


_OPENAI: TypeAdapter[_OpenAiChat] = TypeAdapter(_OpenAiChat)


def json_head() -> str:
    """What stands before the conversations of an export."""
    return f'{{"format": "{JSON_FORMAT}", "version": {JSON_VERSION}, "conversations": [\n'


def json_tail() -> str:
    """What stands behind them."""
    return "\n]}\n"


def json_of(conversation: Conversation) -> str:
    """One conversation with all its branches; several are joined with commas."""
    return json.dumps(dump_conversation(conversation), ensure_ascii=False, indent=1)


def markdown_of(conversation: Conversation) -> str:
    """What is shown of a conversation, with headings for who speaks."""
    instructions, question = _("Instructions"), _("Question")
    lines = [f"# {conversation.title}", ""]
    if conversation.settings.system_prompt.strip():
        lines += [f"**{instructions}**", "", _quoted(conversation.settings.system_prompt), ""]
    for message in conversation.messages:
        if isinstance(message, Question):
            lines += [f"## {question}", "", message.text.strip(), ""]
        elif message.text:
            heading = _("Answer by {model}").format(model=message.model) if message.model else _("Answer")
            lines += [f"## {heading}", "", message.text.strip(), ""]
    return "\n".join(lines)


def read_import(data: bytes) -> Iterator[Conversation]:
    """The conversations of a file, one by one; nothing is given before the whole file is known to be right.

    Raises:
        ImportRefusedError: it holds none, or one that cannot be understood.
    """
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ImportRefusedError(_no_json()) from error
    if _is_later_version(value):
        raise ImportRefusedError(_later_version())
    parts = _parts_of(value)
    if not parts or len(parts) > _MOST_CONVERSATIONS:
        raise ImportRefusedError(_no_conversations())
    try:
        conversations = [_read_part(part) for part in parts]
    except (ValueError, TypeError) as error:
        raise ImportRefusedError(_no_conversations()) from error
    return iter(conversations)


def with_new_id(conversation: Conversation) -> Conversation:
    """A copy that can stand beside the original."""
    return replace(conversation, id=new_id())


def _is_later_version(value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    version = value.get("version") if value.get("format") == JSON_FORMAT else None
    return isinstance(version, int) and version > JSON_VERSION


def _parts_of(value: Any) -> list[Any]:
    if isinstance(value, dict) and value.get("format") == JSON_FORMAT:
        inner = value.get("conversations")
        return inner if isinstance(inner, list) else []
    if isinstance(value, list) and value and isinstance(value[0], dict) and "role" in value[0]:
        return [{"messages": value}]  # the bare list of messages
    return value if isinstance(value, list) else [value]


def _read_part(part: Any) -> Conversation:
    if isinstance(part, dict) and "format" in part:
        return settle(conversation_of(part))
    return _from_openai(_OPENAI.validate_python(part))


def _from_openai(chat: _OpenAiChat) -> Conversation:
    nodes: list[Question | Answer] = []
    prompts: list[str] = []
    parent = ROOT
    for message in chat.messages:
        if message.role in {"system", "developer"}:
            prompts.append(message.text)
        elif message.role == "user":
            nodes.append(Question(id=new_id(), parent=parent, text=message.text))
        elif message.role == "assistant":
            nodes.append(Answer(id=new_id(), parent=parent, text=message.text, phase="complete"))
        if nodes:
            parent = nodes[-1].id
    if not nodes:
        raise ValueError("nobody says anything")
    first = next((node.text for node in nodes if isinstance(node, Question)), UNTITLED)
    begun = begin_conversation(chat.title or first, datetime.now(UTC), ChatSettings(system_prompt="\n\n".join(prompts)))
    return replace(begun, nodes=tuple(nodes))


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in text.strip().splitlines())


def _no_json() -> Problem:
    return Problem(
        code="import-unreadable",
        message=_("This file is not JSON, so no conversation could be read from it"),
        advice=_("Choose a file that Meadow exported as JSON, or one with OpenAI's messages."),
    )


def _no_conversations() -> Problem:
    return Problem(
        code="import-unreadable",
        message=_("This file holds no conversations that Meadow understands"),
        advice=_("Choose a file that Meadow exported as JSON, or one with OpenAI's messages."),
    )


def _later_version() -> Problem:
    return Problem(
        code="import-newer",
        message=_("A later version of Meadow exported this file"),
        advice=_("Update Meadow, then import it again."),
    )
