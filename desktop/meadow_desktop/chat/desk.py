"""All conversations of this person: takes what they ask for, and says what changed.

    window ──ask, edit, switch, delete──► ChatDesk ──► tree (pure) ──► Shelf (file)
       ◄── changed(id), opened, list_changed ◄── AnswerFollower (gateway)

Nothing is open while a new conversation has no question yet; its settings and its draft are kept nevertheless.
Threads: GUI thread.
"""

from __future__ import annotations

from dataclasses import replace

from pydantic import TypeAdapter, ValidationError
from PySide6.QtCore import QObject, QTimer, Signal

from meadow_desktop.chat import tree
from meadow_desktop.chat.chat_settings import USUAL, ChatSettings, Preset
from meadow_desktop.chat.context import ContextUse, measure_context
from meadow_desktop.chat.conversation import (
    Conversation,
    ConversationHead,
    begin_conversation,
    rename,
)
from meadow_desktop.chat.exchange_desk import ExchangeDesk
from meadow_desktop.chat.following import AnswerFollower
from meadow_desktop.chat.gradually import Gradually
from meadow_desktop.chat.keeping.store import ConversationStore, draft_key
from meadow_desktop.chat.known_models import KnownModels
from meadow_desktop.chat.search import SearchHit
from meadow_desktop.chat.search_desk import SearchDesk
from meadow_desktop.chat.shelf import Shelf
from meadow_desktop.chat.undo import UNDO_MS, Deleted, DeletedConversation, DeletedMessages
from meadow_desktop.engine.link import EngineLink

_NEW_SETTINGS_KEY = "new-settings"
_PRESETS_KEY = "presets"
_PRESETS: TypeAdapter[tuple[Preset, ...]] = TypeAdapter(tuple[Preset, ...])


class ChatDesk(QObject):
    """The conversations, and which of them is open."""

    list_changed = Signal()
    opened = Signal()
    changed = Signal(str)  # the id of a conversation whose messages changed
    settings_changed = Signal()  # of what is open
    found = Signal(str, list)  # the query, and at most 100 SearchHits
    undo_changed = Signal()
    presets_changed = Signal()
    trouble = Signal(object)  # Problem
    trouble_over = Signal()

    def __init__(
        self, store: ConversationStore, link: EngineLink, undo_ms: int = UNDO_MS, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._shelf = Shelf(store, self)
        self.models = KnownModels(link, self)
        self._follower = AnswerFollower(self._shelf, link, self.models, self)
        self._open_id = ""
        self._deleted: Deleted | None = None
        self._undo_timer = QTimer(self, singleShot=True, interval=undo_ms)
        self._undo_timer.timeout.connect(self._forget_deleted)
        self._searcher = SearchDesk(store.path, self)
        self._gradually = Gradually(self)
        self.exchange = ExchangeDesk(self._shelf, self._gradually, self._is_taken, self)
        self.exchange.imported.connect(self.open)
        self._shelf.list_changed.connect(self.list_changed)
        self._shelf.trouble.connect(self.trouble)
        self._shelf.trouble_over.connect(self.trouble_over)
        self._searcher.found.connect(self.found)
        self._searcher.failed.connect(self.trouble)
        self._follower.changed.connect(self.changed)
        self._follower.ended.connect(self.list_changed)

    def load(self) -> None:
        """Read the list of conversations; what cannot be read is reported as `trouble`."""
        self._shelf.load()
        self._gradually.begin(self._shelf.take_over_old_files())
        self.presets_changed.emit()
        self.opened.emit()

    def close(self) -> None:
        """Stop everything and save: the program ends."""
        self._follower.stop_all()
        self._forget_deleted()
        self._gradually.stop()
        self._searcher.close()
        self._shelf.close()

    # Conversations

    @property
    def conversations(self) -> list[ConversationHead]:
        """All conversations, the latest first."""
        return self._shelf.heads

    @property
    def open_conversation(self) -> Conversation | None:
        """The conversation that the window shows; None is a new one."""
        return self._shelf.get(self._open_id)

    def is_busy(self, conversation_id: str) -> bool:
        """An answer to this conversation is under way."""
        return self._follower.is_busy(conversation_id)

    def open(self, conversation_id: str) -> None:
        """Show this conversation; an unknown or unreadable one (or "") shows a new one."""
        self._open_id = conversation_id if self._shelf.get(conversation_id) is not None else ""
        self.opened.emit()

    def open_hit(self, hit: SearchHit) -> None:
        """Show what was found, on the branch where it stands."""
        conversation = self._shelf.get(hit.conversation_id)
        if conversation is not None and hit.message_id:
            self._shelf.put(tree.show_message(conversation, hit.message_id))
        self.open(hit.conversation_id)

    def rename(self, conversation_id: str, title: str) -> None:
        """Give a conversation another title; an empty one changes nothing."""
        conversation = self._shelf.get(conversation_id)
        if conversation is not None:
            self._put(rename(conversation, title))

    def search(self, query: str) -> None:
        """Look for titles and messages that hold all words of the query; ends with `found` for the latest query."""
        self._shelf.write()
        self._searcher.search(query)

    # Questions and answers of the open conversation

    def ask(self, question: str) -> None:
        """Put a question to the open conversation, or begin one with it."""
        question = question.strip()
        conversation = self.open_conversation
        if not question or (conversation is not None and conversation.is_busy):
            return
        self.set_draft("")
        if conversation is None:
            begun = begin_conversation(question, settings=self.settings)
            self._keep_new_settings(ChatSettings(model=begun.settings.model))
            self._shelf.put(tree.ask(begun, question))
            self.open(begun.id)
            self._begin_answer(begun.id)
        else:
            self._ask(tree.ask(conversation, question))

    def edit_question(self, message_id: str, question: str) -> None:
        """Ask in other words: the old question and what followed it stay as another branch."""
        conversation = self.open_conversation
        if conversation is not None and question.strip():
            self._ask(tree.edit_question(conversation, message_id, question.strip()))

    def ask_again(self, message_id: str = "") -> None:
        """Have another answer written beside this one (by default the last), or an answer to this question."""
        conversation = self.open_conversation
        if conversation is not None:
            self._ask(tree.answer_again(conversation, message_id))

    def stop(self) -> None:
        """End the answer that the open conversation waits for; what was written of it stays."""
        self._follower.stop(self._open_id)

    def switch(self, message_id: str, step: int) -> None:
        """Show the version of a message before (-1) or after (+1) this one."""
        conversation = self.open_conversation
        if conversation is not None:
            self._put(tree.switch(conversation, message_id, step))

    # Deleting and bringing back

    @property
    def deleted(self) -> Deleted | None:
        """What `undo_delete` brings back now."""
        return self._deleted

    def delete(self, conversation_id: str) -> None:
        """Delete a conversation; for ten seconds it can be brought back."""
        head = next((each for each in self.conversations if each.id == conversation_id), None)
        if head is None:
            return
        self._follower.stop(conversation_id)
        if not self._shelf.take_out(conversation_id):
            return
        was_open = self._open_id == conversation_id
        if was_open:
            self.open("")
        self._remember_deleted(DeletedConversation(head, was_open))

    def delete_messages(self, message_id: str) -> None:
        """Delete a message of the open conversation, and all that followed it; for ten seconds it can be undone."""
        conversation = self.open_conversation
        if conversation is None or tree.find(conversation, message_id) is None:
            return
        self._follower.stop(conversation.id)
        conversation = self._shelf.get(conversation.id) or conversation  # its answer has ended now
        rest, removed = tree.remove(conversation, message_id)
        self._put(rest)
        self._remember_deleted(DeletedMessages(conversation.id, removed))

    def undo_delete(self) -> None:
        """Bring back what was deleted last."""
        deleted, self._deleted = self._deleted, None
        self._undo_timer.stop()
        match deleted:
            case DeletedConversation(head, was_open):
                if self._shelf.put_back(head) and was_open and not self._open_id:
                    self.open(head.id)
            case DeletedMessages(conversation_id, removed):
                conversation = self._shelf.get(conversation_id)
                if conversation is not None:
                    self._put(tree.restore(conversation, removed))
            case None:
                return
        self.undo_changed.emit()

    # Settings, presets, drafts, room

    @property
    def settings(self) -> ChatSettings:
        """Of the open conversation, or of the new one, which begins with no model that nobody offers any more."""
        conversation = self.open_conversation
        if conversation is not None:
            return conversation.settings
        try:
            kept = ChatSettings.model_validate_json(self._shelf.value(_NEW_SETTINGS_KEY) or "{}")
        except ValidationError:
            return USUAL
        return kept.model_copy(update={"model": self.models.offered(kept.model)})

    def change_settings(self, settings: ChatSettings) -> None:
        """Choose for the open conversation, or for the new one; it counts from the next question on."""
        if settings == self.settings:
            return
        conversation = self.open_conversation
        if conversation is None:
            self._keep_new_settings(settings)
        else:
            self._shelf.put(replace(conversation, settings=settings))
        self.settings_changed.emit()

    @property
    def own_presets(self) -> tuple[Preset, ...]:
        """Those that the person made; built-in ones are in `chat_settings.BUILT_IN`."""
        try:
            return _PRESETS.validate_json(self._shelf.value(_PRESETS_KEY) or "[]")
        except ValidationError:
            return ()

    def keep_preset(self, preset: Preset) -> None:
        """Add a preset of one's own, or replace the one of this name."""
        if preset.name:
            self._keep_presets((*(each for each in self.own_presets if each.name != preset.name), preset))

    def forget_preset(self, name: str) -> None:
        """Remove a preset of one's own."""
        self._keep_presets(tuple(each for each in self.own_presets if each.name != name))

    @property
    def draft(self) -> str:
        """The unsent text of what is open."""
        return self._shelf.value(draft_key(self._open_id))

    def set_draft(self, text: str) -> None:
        """Remember the unsent text of what is open, over a crash as well."""
        self._shelf.keep(draft_key(self._open_id), text)

    @property
    def context_use(self) -> ContextUse:
        """How much of what the model can hold is taken, the draft included."""
        return measure_context(self.open_conversation, self.draft, self.models.context_length(self.settings.model))

    def _is_taken(self, conversation_id: str) -> bool:
        is_deleted = isinstance(self._deleted, DeletedConversation) and self._deleted.head.id == conversation_id
        return is_deleted or self._shelf.holds(conversation_id)

    def _ask(self, conversation: Conversation) -> None:
        before = self._shelf.get(conversation.id)
        if before is None or before.is_busy or conversation is before:
            return
        self._shelf.put(conversation)
        self._begin_answer(conversation.id)

    def _begin_answer(self, conversation_id: str) -> None:
        self.changed.emit(conversation_id)
        self._follower.begin(conversation_id)
        if self.models.context_length(self.settings.model) is None:
            self.models.refresh()  # an engine that has just begun knows no models yet

    def _put(self, conversation: Conversation) -> None:
        self._shelf.put(conversation)
        self.changed.emit(conversation.id)

    def _remember_deleted(self, deleted: Deleted) -> None:
        self._forget_deleted()
        self._deleted = deleted
        self._undo_timer.start()
        self.undo_changed.emit()

    def _forget_deleted(self) -> None:
        deleted, self._deleted = self._deleted, None
        self._undo_timer.stop()
        if isinstance(deleted, DeletedConversation):
            self._shelf.erase(deleted.head.id)
        if deleted is not None:
            self.undo_changed.emit()

    def _keep_new_settings(self, settings: ChatSettings) -> None:
        is_usual = settings == USUAL
        self._shelf.keep(_NEW_SETTINGS_KEY, "" if is_usual else settings.model_dump_json())

    def _keep_presets(self, presets: tuple[Preset, ...]) -> None:
        self._shelf.keep(_PRESETS_KEY, _PRESETS.dump_json(presets).decode() if presets else "")
        self.presets_changed.emit()
