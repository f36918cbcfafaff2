"""All conversations of this person: takes what they ask for, keeps files, follows answers as they are written.

    window ──ask, stop, again──► ChatDesk ──► AnswerStream (gateway)
       ◄── changed(id), list_changed ◄──── advance(answer, event) ◄──┘        ──► ConversationStore

Several conversations may be answered at once; each has at most one answer under way. A question asked while the
engine is still being looked for waits for it. Threads: GUI thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from PySide6.QtCore import QObject, Signal

from meadow_desktop.chat.answering import (
    ENGINE_LOST,
    AnswerEvent,
    AnswerFailed,
    StopAsked,
    WaitAnnounced,
    advance,
)
from meadow_desktop.chat.conversation import (
    Answer,
    Conversation,
    ask,
    ask_again,
    begin_conversation,
    replace_last_answer,
    request_messages,
)
from meadow_desktop.chat.store import ConversationStore, StoreError
from meadow_desktop.engine.client import AnswerStream
from meadow_desktop.engine.link import EngineLink
from meadow_desktop.engine.link_state import Connected, LinkState, Searching, Unreachable
from meadow_engine.api.errors import Problem

SAVE_INTERVAL_S = 2.0


class ChatDesk(QObject):
    """The conversations, and which of them is open. None is open while a new one has no question yet."""

    list_changed = Signal()
    opened = Signal()
    changed = Signal(str)  # the id of a conversation whose messages changed
    trouble = Signal(object)  # Problem
    trouble_over = Signal()

    def __init__(
        self,
        store: ConversationStore,
        link: EngineLink,
        clock: Callable[[], float] = time.monotonic,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._store = store
        self._link = link
        self._clock = clock
        self._conversations: dict[str, Conversation] = {}
        self._open_id = ""
        self._streams: dict[str, AnswerStream] = {}
        self._saved_at: dict[str, float] = {}
        self._has_trouble = False
        link.changed.connect(self._take_link)

    def load(self) -> None:
        """Read the folder of conversations; what cannot be read is reported as `trouble`."""
        loaded = self._store.load()
        self._conversations = {conversation.id: conversation for conversation in loaded.conversations}
        self.list_changed.emit()
        for problem in loaded.problems:
            self.trouble.emit(problem)

    @property
    def conversations(self) -> list[Conversation]:
        """All conversations, the latest first."""
        return sorted(self._conversations.values(), key=lambda each: each.changed.timestamp(), reverse=True)

    @property
    def open_conversation(self) -> Conversation | None:
        """The conversation that the window shows; None is a new one."""
        return self._conversations.get(self._open_id)

    def open(self, conversation_id: str) -> None:
        """Show this conversation; an unknown id (or "") shows a new one."""
        self._open_id = conversation_id if conversation_id in self._conversations else ""
        self.opened.emit()

    def delete(self, conversation_id: str) -> None:
        """Forget a conversation for good."""
        if conversation_id not in self._conversations:
            return
        self._hang_up(conversation_id)
        try:
            self._store.delete(conversation_id)
        except StoreError as error:
            self._report(error.problem)
            return
        del self._conversations[conversation_id]
        if self._open_id == conversation_id:
            self.open("")
        self.list_changed.emit()

    def ask(self, question: str) -> None:
        """Put a question to the open conversation, or begin one with it."""
        question = question.strip()
        conversation = self.open_conversation or begin_conversation(question)
        if not question or conversation.is_busy:
            return
        is_new = conversation.id not in self._conversations
        self._conversations[conversation.id] = ask(conversation, question)
        if is_new:
            self.open(conversation.id)
        self._begin_answer(conversation.id)

    def ask_again(self) -> None:
        """Throw the last answer of the open conversation away and have it written anew."""
        conversation = self.open_conversation
        if conversation is None or conversation.last_answer is None or conversation.is_busy:
            return
        self._conversations[conversation.id] = ask_again(conversation)
        self._begin_answer(conversation.id)

    def stop(self) -> None:
        """End the answer that the open conversation waits for; what was written of it stays."""
        if self.open_conversation is not None:
            self._advance(self._open_id, StopAsked())

    def close(self) -> None:
        """Stop everything and save: the program ends."""
        for conversation in self.conversations:
            if conversation.is_busy:
                self._advance(conversation.id, StopAsked())

    def _begin_answer(self, conversation_id: str) -> None:
        self._save(conversation_id)
        self.list_changed.emit()
        self.changed.emit(conversation_id)
        self._send(conversation_id)

    def _send(self, conversation_id: str) -> None:
        conversation, client, state = self._conversations[conversation_id], self._link.client, self._link.state
        match state:
            case Connected(status) if client is not None:
                stream = client.ask(status.model, request_messages(conversation.messages))
                self._streams[conversation_id] = stream
                stream.arrived.connect(lambda event: self._advance(conversation_id, event))
                if conversation.last_answer is not None and conversation.last_answer.notice:
                    fresh = Answer()
                    self._conversations[conversation_id] = replace_last_answer(conversation, fresh)
                    self.changed.emit(conversation_id)
            case Unreachable(problem):
                self._advance(conversation_id, AnswerFailed(problem))
            case _:
                self._advance(conversation_id, WaitAnnounced("Waiting for the engine…"))

    def _take_link(self, state: LinkState) -> None:
        busy = [each.id for each in self.conversations if each.is_busy]
        for conversation_id in busy:
            if conversation_id in self._streams:
                if not isinstance(state, Connected):
                    self._advance(conversation_id, AnswerFailed(ENGINE_LOST))
            elif not isinstance(state, Searching):
                self._send(conversation_id)

    def _advance(self, conversation_id: str, event: AnswerEvent) -> None:
        conversation = self._conversations.get(conversation_id)
        before = conversation.last_answer if conversation is not None else None
        if conversation is None or before is None:
            return
        answer = advance(before, event)
        if answer is before:
            return
        self._conversations[conversation_id] = replace_last_answer(conversation, answer)
        if answer.is_final:
            self._hang_up(conversation_id)
            self._save(conversation_id)
            self.list_changed.emit()
        elif self._clock() - self._saved_at.get(conversation_id, 0.0) >= SAVE_INTERVAL_S:
            self._save(conversation_id)
        self.changed.emit(conversation_id)

    def _hang_up(self, conversation_id: str) -> None:
        stream = self._streams.pop(conversation_id, None)
        if stream is not None:
            stream.close()
            stream.deleteLater()

    def _save(self, conversation_id: str) -> None:
        self._saved_at[conversation_id] = self._clock()
        try:
            self._store.save(self._conversations[conversation_id])
        except StoreError as error:
            self._report(error.problem)
            return
        if self._has_trouble:
            self._has_trouble = False
            self.trouble_over.emit()

    def _report(self, problem: Problem) -> None:
        self._has_trouble = True
        self.trouble.emit(problem)
