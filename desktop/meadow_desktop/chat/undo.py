"""What can be brought back after something was deleted: one thing at a time, for ten seconds. Values."""

from __future__ import annotations

from dataclasses import dataclass

from meadow_desktop.chat.conversation import ConversationHead
from meadow_desktop.chat.tree import Removed

UNDO_MS = 10_000


@dataclass(frozen=True)
class DeletedConversation:
    """A whole conversation."""

    head: ConversationHead
    was_open: bool


@dataclass(frozen=True)
class DeletedMessages:
    """A message of a conversation, and all that followed it."""

    conversation_id: str
    removed: Removed


Deleted = DeletedConversation | DeletedMessages
