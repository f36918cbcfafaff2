"""Has a screen reader say what becomes of the answer in the open conversation. GUI thread.

Meanwhile the keyboard is in the field for the next question.
"""

from __future__ import annotations

from PySide6.QtWidgets import QWidget

from meadow_desktop.chat.conversation import Answer, Conversation
from meadow_desktop.chat.words.news import describe_news
from meadow_desktop.windows.announcing import announce


class Announcer:
    """Is shown every state of the open conversation; `widget` is where the announcements come from."""

    def __init__(self, widget: QWidget) -> None:
        self._widget = widget
        self._last: Answer | None = None

    def show(self, conversation: Conversation | None) -> None:
        """Say what is new since the state before; nothing of an answer that was not followed."""
        answer = conversation.last_answer if conversation is not None else None
        if answer is not None:
            is_followed = self._last is not None and self._last.id == answer.id
            words = describe_news(self._last if is_followed else None, answer)
            if words:
                announce(self._widget, words)
        self._last = answer
