"""A conversation as it lies on disk and in memory: one value, replaced and never changed in place. Pure.

It is a tree: every message knows its parent, and `chosen` says which child of a message is shown. The path that the
choices make from the root to a leaf is what the person sees and what the model is sent (`tree.py` moves in it).

    question ─┬─ answer ── question ── answer      chosen: {"": question, question: the other answer}
              └─ the other answer                  messages: question, the other answer
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from meadow_desktop.chat.chat_settings import USUAL, ChatSettings
from meadow_desktop.language import marked
from meadow_engine.api.answers import AnswerOrigin
from meadow_engine.api.errors import Problem

AnswerPhase = Literal["asking", "waiting", "writing", "complete", "stopped", "failed"]

UNTITLED = marked("New conversation")
ROOT = ""
_TITLE_LENGTH = 60


class Usage(BaseModel):
    """What the model's tokenizer counted for one answer."""

    model_config = ConfigDict(frozen=True)

    prompt_tokens: int = Field(ge=0)
    completion_tokens: int = Field(ge=0)


class Question(BaseModel):
    """What the person wrote. `parent` is the answer before it, or `ROOT`."""

    model_config = ConfigDict(frozen=True)

    role: Literal["user"] = "user"
    id: str = ""
    parent: str = ROOT
    text: str


class Answer(BaseModel):
    """What the swarm wrote, and how far it came.

    asking: sent, nothing came back yet; waiting: layers are missing (`notice` says which); writing: pieces
    arrive; complete, stopped (by the person) and failed (`problem` says why) are final.
    """

    model_config = ConfigDict(frozen=True)

    role: Literal["assistant"] = "assistant"
    id: str = ""
    parent: str = ROOT
    text: str = ""
    phase: AnswerPhase = "asking"
    notice: str = ""
    origin: AnswerOrigin | None = None
    problem: Problem | None = None
    usage: Usage | None = None
    model: str = Field(default="", description="Which model was asked.")
    left_out: int = Field(default=0, description="How many of the oldest messages had no room.")
    is_cut: bool = Field(default=False, description="It ended because no more tokens were allowed.")

    @property
    def is_final(self) -> bool:
        return self.phase in {"complete", "stopped", "failed"}


Message = Annotated[Question | Answer, Field(discriminator="role")]


@dataclass(frozen=True)
class Conversation:
    """All messages, parents before their children. `format` is the version of this layout."""

    id: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    title: str
    created: datetime
    changed: datetime
    nodes: tuple[Message, ...] = ()
    chosen: dict[str, str] = field(default_factory=dict)
    settings: ChatSettings = USUAL
    format: Literal[2] = 2

    @cached_property
    def children(self) -> dict[str, list[Question | Answer]]:
        """By the parent's id, in the order in which they were written."""
        found: dict[str, list[Question | Answer]] = {}
        for node in self.nodes:
            found.setdefault(node.parent, []).append(node)
        return found

    @cached_property
    def messages(self) -> tuple[Question | Answer, ...]:
        """The path that is shown, from the first question to the leaf."""
        path: list[Question | Answer] = []
        parent = ROOT
        while siblings := self.children.get(parent):
            wanted = self.chosen.get(parent)
            shown = next((each for each in siblings if each.id == wanted), siblings[-1])
            path.append(shown)
            parent = shown.id
        return tuple(path)

    @property
    def leaf(self) -> str:
        """The id of the last message that is shown, or `ROOT`."""
        return self.messages[-1].id if self.messages else ROOT

    @property
    def last_answer(self) -> Answer | None:
        """The answer at the end of the shown path, if it ends with one."""
        return self.messages[-1] if self.messages and isinstance(self.messages[-1], Answer) else None

    @cached_property
    def pending(self) -> Answer | None:
        """The answer that is under way, on whichever branch; there is one at most."""
        return next((node for node in reversed(self.nodes) if isinstance(node, Answer) and not node.is_final), None)

    @property
    def is_busy(self) -> bool:
        """An answer is under way."""
        return self.pending is not None


@dataclass(frozen=True)
class ConversationHead:
    """What a list of conversations shows."""

    id: str
    title: str
    changed: datetime


def new_id() -> str:
    """For a conversation or a message: 32 hexadecimal digits."""
    return uuid.uuid4().hex


def head_of(conversation: Conversation) -> ConversationHead:
    """The conversation as a list shows it."""
    return ConversationHead(conversation.id, conversation.title, conversation.changed)


def begin_conversation(
    question: str, now: datetime | None = None, settings: ChatSettings | None = None
) -> Conversation:
    """A conversation that has only its title and its settings yet."""
    now = now or datetime.now(UTC)
    return Conversation(new_id(), make_title(question), now, now, settings=settings or USUAL)


def rename(conversation: Conversation, title: str) -> Conversation:
    """The same conversation under another title; a title without a word changes nothing."""
    title = " ".join(title.split())
    return replace(conversation, title=title) if title else conversation


def settle(conversation: Conversation) -> Conversation:
    """A conversation read from disk: an answer that was under way when the program ended was stopped."""
    if conversation.pending is None:
        return conversation
    nodes = tuple(
        node.model_copy(update={"phase": "stopped", "notice": ""})
        if isinstance(node, Answer) and not node.is_final
        else node
        for node in conversation.nodes
    )
    return replace(conversation, nodes=nodes)


def request_messages(messages: Sequence[Question | Answer], system_prompt: str = "") -> list[dict[str, str]]:
    """The messages in OpenAI's form. Answers without a word in them, and the questions they failed, stay out."""
    sent: list[dict[str, str]] = []
    for message in messages:
        if isinstance(message, Question):
            if sent and sent[-1]["role"] == "user":
                sent.pop()
            sent.append({"role": "user", "content": message.text})
        elif message.text:
            sent.append({"role": "assistant", "content": message.text})
    return [{"role": "system", "content": system_prompt}, *sent] if system_prompt.strip() else sent


def make_title(question: str) -> str:
    """The first line with words in it, cut at a word."""
    line = next((" ".join(line.split()) for line in question.splitlines() if line.strip()), UNTITLED)
    if len(line) <= _TITLE_LENGTH:
        return line
    head = line[:_TITLE_LENGTH]
    return (head.rsplit(" ", 1)[0] if " " in head else head).rstrip(" ,.;:") + "…"
