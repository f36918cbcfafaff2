"""Sends questions to the gateway, and follows their answers as they are written. GUI thread.

    ChatDesk ──begin, stop──► AnswerFollower ──► AnswerStream (gateway)
       ◄──── changed(id) ──── advance(answer, event) ◄──┘                ──► Shelf

Several conversations may be answered at once; each has at most one answer under way. A question that is asked while
the engine is still being looked for waits for it. A request that the gateway refuses as too long is sent again with
fewer of the oldest messages, where the conversation allows that.
"""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal

from meadow_desktop.chat.answering import (
    ENGINE_LOST,
    AnswerEvent,
    AnswerFailed,
    StopAsked,
    WaitAnnounced,
    advance,
)
from meadow_desktop.chat.context import fit
from meadow_desktop.chat.conversation import Answer, Conversation
from meadow_desktop.chat.known_models import KnownModels
from meadow_desktop.chat.shelf import Shelf
from meadow_desktop.chat.tree import path_to, replace_answer
from meadow_desktop.engine.client import AnswerStream
from meadow_desktop.engine.link import EngineLink
from meadow_desktop.engine.link_state import Connected, LinkState, Searching, Unreachable
from meadow_desktop.language import _

TOO_LONG_CODES = frozenset({"context_length_exceeded", "context-length-exceeded"})
_MOST_SQUEEZES = 6


class AnswerFollower(QObject):
    """The answers under way."""

    changed = Signal(str)  # the id of a conversation whose answer changed
    ended = Signal(str)

    def __init__(self, shelf: Shelf, link: EngineLink, models: KnownModels, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._shelf = shelf
        self._link = link
        self._models = models
        self._busy: set[str] = set()
        self._streams: dict[str, AnswerStream] = {}
        self._squeezes: dict[str, int] = {}
        link.changed.connect(self._take_link)

    def is_busy(self, conversation_id: str) -> bool:
        """An answer to this conversation is under way."""
        return conversation_id in self._busy

    def begin(self, conversation_id: str) -> None:
        """Have the pending answer of this conversation written."""
        self._busy.add(conversation_id)
        self._squeezes.pop(conversation_id, None)
        self._send(conversation_id)

    def stop(self, conversation_id: str) -> None:
        """End the answer; what was written of it stays."""
        if conversation_id in self._busy:
            self._advance(conversation_id, StopAsked())

    def stop_all(self) -> None:
        """End all of them."""
        for conversation_id in sorted(self._busy):
            self.stop(conversation_id)

    def _send(self, conversation_id: str) -> None:
        conversation, client, state = self._shelf.get(conversation_id), self._link.client, self._link.state
        if conversation is None or conversation.pending is None:
            self._busy.discard(conversation_id)
            return
        match state:
            case Connected() if client is not None:
                self._send_to_engine(conversation, conversation.pending)
            case Unreachable(problem):
                self._advance(conversation_id, AnswerFailed(problem))
            case _:
                self._advance(conversation_id, WaitAnnounced(_("Waiting for the engine…")))

    def _send_to_engine(self, conversation: Conversation, pending: Answer) -> None:
        client = self._link.client
        if client is None:
            return
        settings = conversation.settings
        fitted = fit(
            conversation,
            path_to(conversation, pending.parent),
            self._models.context_length(settings.model),
            self._squeezes.get(conversation.id, 0),
        )
        model = self._models.model_for(settings.model)
        stream = client.ask(model, fitted.messages, settings.sampling.parameters())
        self._streams[conversation.id] = stream
        stream.arrived.connect(lambda event: self._take(conversation.id, event))
        fresh = Answer(id=pending.id, parent=pending.parent, model=model, left_out=fitted.left_out)
        if fresh != pending:
            self._shelf.put(replace_answer(conversation, fresh), is_streaming=True)
            self.changed.emit(conversation.id)

    def _take(self, conversation_id: str, event: AnswerEvent) -> None:
        if isinstance(event, AnswerFailed) and event.problem.code in TOO_LONG_CODES and self._squeeze(conversation_id):
            return
        self._advance(conversation_id, event)

    def _squeeze(self, conversation_id: str) -> bool:
        """Send a request that was too long once more with less in it; False where nothing can be left out."""
        conversation = self._shelf.get(conversation_id)
        pending = conversation.pending if conversation is not None else None
        if conversation is None or pending is None or pending.text:
            return False
        limit = self._models.context_length(conversation.settings.model)
        path = path_to(conversation, pending.parent)
        squeezes = self._squeezes.get(conversation_id, 0)
        now = fit(conversation, path, limit, squeezes).left_out
        while squeezes < _MOST_SQUEEZES:
            squeezes += 1
            if fit(conversation, path, limit, squeezes).left_out > now:
                self._squeezes[conversation_id] = squeezes
                self._hang_up(conversation_id)
                self._send(conversation_id)
                return True
        return False

    def _take_link(self, state: LinkState) -> None:
        for conversation_id in sorted(self._busy):
            if conversation_id in self._streams:
                if not isinstance(state, Connected):
                    self._advance(conversation_id, AnswerFailed(ENGINE_LOST))
            elif not isinstance(state, Searching):
                self._send(conversation_id)

    def _advance(self, conversation_id: str, event: AnswerEvent) -> None:
        conversation = self._shelf.get(conversation_id)
        before = conversation.pending if conversation is not None else None
        if conversation is None or before is None:
            return
        answer = advance(before, event)
        if answer is before:
            return
        if answer.is_final:
            self._busy.discard(conversation_id)
            self._squeezes.pop(conversation_id, None)
            self._hang_up(conversation_id)
        self._shelf.put(replace_answer(conversation, answer), is_streaming=not answer.is_final)
        if answer.is_final:
            self.ended.emit(conversation_id)
        self.changed.emit(conversation_id)

    def _hang_up(self, conversation_id: str) -> None:
        stream = self._streams.pop(conversation_id, None)
        if stream is not None:
            stream.close()
            stream.deleteLater()
