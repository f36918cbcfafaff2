"""Writes into the event log what happens on the pages, so that tests can watch it. GUI thread."""

from __future__ import annotations

from PySide6.QtCore import QObject

from meadow_desktop.chat.desk import ChatDesk
from meadow_desktop.credits.view import CreditsView
from meadow_desktop.event_log import EventLog
from meadow_desktop.windows.chat.chat_page import ChatPage
from meadow_desktop.windows.credits.credits_page import CreditsPage


class Happenings(QObject):
    """Follows the desk and the pages. States and counts only; never what somebody wrote or read."""

    def __init__(self, events: EventLog, desk: ChatDesk, chat: ChatPage, credits: CreditsPage, parent: QObject) -> None:
        super().__init__(parent)
        self._events = events
        self._desk = desk
        desk.changed.connect(self._log_answer)
        desk.opened.connect(self._log_opened)
        chat.drawn.connect(self._log_drawn)
        credits.drawn.connect(self._log_credits)

    def _log_answer(self, conversation_id: str) -> None:
        conversation = self._desk.open_conversation
        if conversation is None or conversation.id != conversation_id or conversation.last_answer is None:
            return
        answer = conversation.last_answer
        self._events.write(
            "answer",
            conversation=conversation_id,
            phase=answer.phase,
            characters=len(answer.text),
            problem=answer.problem.code if answer.problem else None,
            links=len(answer.origin.chain) if answer.origin else 0,
            recoveries=len(answer.origin.recoveries) if answer.origin else 0,
        )

    def _log_opened(self) -> None:
        conversation = self._desk.open_conversation
        self._events.write("opened", conversation=conversation.id if conversation else "")

    def _log_drawn(self) -> None:
        conversation = self._desk.open_conversation
        answer = conversation.last_answer if conversation else None
        self._events.write("drawn", characters=len(answer.text) if answer else 0)

    def _log_credits(self, view: CreditsView) -> None:
        self._events.write("credits", figures=[figure.figure for figure in view.figures], helped=view.helped)
