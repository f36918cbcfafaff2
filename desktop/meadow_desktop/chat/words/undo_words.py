"""What was deleted, in a sentence with an Undo beside it. Pure."""

from __future__ import annotations

from meadow_desktop.chat.conversation import UNTITLED
from meadow_desktop.chat.undo import Deleted, DeletedConversation
from meadow_desktop.language import _, ngettext


def describe_deleted(deleted: Deleted | None) -> str:
    """ "Deleted “A title”."; empty where nothing can be brought back."""
    if deleted is None:
        return ""
    if isinstance(deleted, DeletedConversation):
        return _("Deleted “{title}”.").format(title=show_title(deleted.head.title))
    count = len(deleted.removed.messages)
    return ngettext("Deleted {n} message.", "Deleted {n} messages.", count).format(n=count)


def show_title(title: str) -> str:
    """A title as it is shown: that of a conversation without words is translated."""
    return _(UNTITLED) if title == UNTITLED else title
