"""A conversation as it lies on disk and in memory: one value, replaced and never changed in place. Pure."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from meadow_engine.api.answers import AnswerOrigin
from meadow_engine.api.errors import Problem

AnswerPhase = Literal["asking", "waiting", "writing", "complete", "stopped", "failed"]

UNTITLED = "New conversation"
_TITLE_LENGTH = 60


class Question(BaseModel):
    """What the person wrote."""

    model_config = ConfigDict(frozen=True)

    role: Literal["user"] = "user"
    text: str


class Answer(BaseModel):
    """What the swarm wrote, and how far it came.

    asking: sent, nothing came back yet; waiting: layers are missing (`notice` says which); writing: pieces
    arrive; complete, stopped (by the person) and failed (`problem` says why) are final.
    """

    model_config = ConfigDict(frozen=True)

    role: Literal["assistant"] = "assistant"
    text: str = ""
    phase: AnswerPhase = "asking"
    notice: str = ""
    origin: AnswerOrigin | None = None
    problem: Problem | None = None

    @property
    def is_final(self) -> bool:
        return self.phase in {"complete", "stopped", "failed"}


class Conversation(BaseModel):
    """Questions and answers in turn. `format` is the version of the file's layout."""

    model_config = ConfigDict(frozen=True)

    format: Literal[1] = 1
    id: str = Field(pattern=r"^[0-9a-f]{32}$")
    title: str
    created: datetime
    changed: datetime
    messages: tuple[Question | Answer, ...] = ()

    @property
    def last_answer(self) -> Answer | None:
        return self.messages[-1] if self.messages and isinstance(self.messages[-1], Answer) else None

    @property
    def is_busy(self) -> bool:
        """An answer is under way."""
        return self.last_answer is not None and not self.last_answer.is_final


def begin_conversation(question: str, now: datetime | None = None) -> Conversation:
    """A conversation that has only its title yet."""
    now = now or datetime.now(UTC)
    return Conversation(id=uuid.uuid4().hex, title=make_title(question), created=now, changed=now)


def ask(conversation: Conversation, question: str, now: datetime | None = None) -> Conversation:
    """Add a question and the empty answer that is to be filled."""
    messages = (*conversation.messages, Question(text=question), Answer())
    return _with_messages(conversation, messages, now or datetime.now(UTC))


def ask_again(conversation: Conversation, now: datetime | None = None) -> Conversation:
    """Throw the last answer away and begin it anew."""
    messages = (*conversation.messages[:-1], Answer())
    return _with_messages(conversation, messages, now or datetime.now(UTC))


def replace_last_answer(conversation: Conversation, answer: Answer) -> Conversation:
    """The same conversation with its last message exchanged."""
    return _with_messages(conversation, (*conversation.messages[:-1], answer), conversation.changed)


def settle(conversation: Conversation) -> Conversation:
    """A conversation read from disk: an answer that was under way when the program ended was stopped."""
    answer = conversation.last_answer
    if answer is None or answer.is_final:
        return conversation
    return replace_last_answer(conversation, answer.model_copy(update={"phase": "stopped", "notice": ""}))


def request_messages(messages: Sequence[Question | Answer]) -> list[dict[str, str]]:
    """The messages in OpenAI's form. Answers without a word in them, and the questions they failed, stay out."""
    sent: list[dict[str, str]] = []
    for message in messages:
        if isinstance(message, Question):
            if sent and sent[-1]["role"] == "user":
                sent.pop()
            sent.append({"role": "user", "content": message.text})
        elif message.text:
            sent.append({"role": "assistant", "content": message.text})
    return sent


def make_title(question: str) -> str:
    """The first line with words in it, cut at a word."""
    line = next((" ".join(line.split()) for line in question.splitlines() if line.strip()), UNTITLED)
    if len(line) <= _TITLE_LENGTH:
        return line
    head = line[:_TITLE_LENGTH]
    return (head.rsplit(" ", 1)[0] if " " in head else head).rstrip(" ,.;:") + "…"


def _with_messages(conversation: Conversation, messages: tuple[Question | Answer, ...], now: datetime) -> Conversation:
    return conversation.model_copy(update={"messages": messages, "changed": now})
