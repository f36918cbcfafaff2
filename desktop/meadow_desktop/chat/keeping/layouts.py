"""Reads a conversation in every layout that was ever written, and writes the present one. Pure.

Format 1 was a list of questions and answers in turn; it becomes a tree of one branch.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Literal

from pydantic import BaseModel, TypeAdapter

from meadow_desktop.chat.conversation import ROOT, Conversation, new_id

_CONVERSATION: TypeAdapter[Conversation] = TypeAdapter(Conversation)


class _Layout(BaseModel):
    format: Literal[1, 2]


def read_conversation(data: bytes | str) -> Conversation:
    """A conversation from JSON, of format 1 or 2.

    Raises:
        ValueError: it is none, or its messages make no tree.
    """
    return conversation_of(json.loads(data))


def conversation_of(value: Any) -> Conversation:
    """The same from what `json.loads` made.

    Raises:
        ValueError: it is no conversation, or its messages make no tree.
    """
    if _Layout.model_validate(value).format == 1:
        value = _from_list(value)
    conversation = _CONVERSATION.validate_python(value)
    check_tree(conversation)
    return conversation


def put_together(head: str, messages: Sequence[str]) -> Conversation:
    """A conversation of the present format from JSON in pieces: all but the messages, and each message.

    Raises:
        ValueError: they make none.
    """
    if not isinstance(json.loads(head), dict):
        raise ValueError("this is no head of a conversation")
    inside = head.strip().removeprefix("{").removesuffix("}").strip()
    nodes = f'"nodes": [{", ".join(messages)}]'
    conversation = _CONVERSATION.validate_json(f"{{{inside}, {nodes}}}" if inside else f"{{{nodes}}}")
    check_tree(conversation)
    return conversation


def dump_conversation(conversation: Conversation) -> dict[str, Any]:
    """What JSON is made of, in the present format."""
    dumped: dict[str, Any] = _CONVERSATION.dump_python(conversation, mode="json", exclude_defaults=False)
    return dumped


def check_tree(conversation: Conversation) -> None:
    """Every message has an id of its own and comes after its parent.

    Raises:
        ValueError: one has not.
    """
    known = {ROOT}
    for node in conversation.nodes:
        if node.id in known or node.parent not in known:
            raise ValueError("the messages make no tree")
        known.add(node.id)


def _from_list(value: dict[str, Any]) -> dict[str, Any]:
    messages = value.get("messages", [])
    if not isinstance(messages, list) or not all(isinstance(message, dict) for message in messages):
        raise ValueError("the messages make no list")
    nodes: list[dict[str, Any]] = []
    parent = ROOT
    for message in messages:
        nodes.append({**message, "id": new_id(), "parent": parent})
        parent = nodes[-1]["id"]
    rest = {name: member for name, member in value.items() if name != "messages"}
    return {**rest, "format": 2, "nodes": nodes}
