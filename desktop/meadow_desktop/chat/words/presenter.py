"""Puts a conversation into words again and again while it changes; only what changed is put into words anew.

A thousand messages take some ten milliseconds, and an answer that streams is drawn twenty times a second. Messages are
frozen, so that one that is the same object looks the same in the same place. Pure, but for what it remembers.
"""

from __future__ import annotations

from typing import NamedTuple

from meadow_desktop.chat.conversation import Answer, Conversation, Question
from meadow_desktop.chat.words.view import BranchView, MessageView, branch_of, present_message


class _Known(NamedTuple):
    message: Question | Answer
    branch: BranchView | None
    can_change: bool
    is_last: bool
    view: MessageView


class Presenter:
    """Remembers the views of one conversation; another one takes their place."""

    def __init__(self) -> None:
        self._known: dict[str, _Known] = {}

    def present(self, conversation: Conversation | None) -> list[MessageView]:
        """What `present_conversation` gives; views of messages that did not change are the same objects as before."""
        if conversation is None:
            self._known = {}
            return []
        messages, can_change = conversation.messages, not conversation.is_busy
        known: dict[str, _Known] = {}
        for place, message in enumerate(messages, 1):
            branch, is_last = branch_of(conversation, message), place == len(messages)
            before = self._known.get(message.id)
            if (
                before is None
                or before.message is not message
                or before.branch != branch
                or (before.can_change, before.is_last) != (can_change, is_last)
            ):
                view = present_message(message, branch, can_change=can_change, is_last=is_last)
                before = _Known(message, branch, can_change, is_last, view)
            known[message.id] = before
        self._known = known
        return [each.view for each in known.values()]
