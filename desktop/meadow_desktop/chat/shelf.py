"""The conversations of this person in memory, and when they are written. GUI thread.

Only the list is read at the start; a conversation's messages are read when somebody opens it, and stay. Text that
streams in is written every 1.5 s, a draft half a second after it changed. What could not be saved is tried again
with whatever is saved next.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from PySide6.QtCore import QObject, QTimer, Signal

from meadow_desktop.chat.conversation import Conversation, ConversationHead, head_of
from meadow_desktop.chat.keeping import store_problems
from meadow_desktop.chat.keeping.old_files import find_old_files, take_over
from meadow_desktop.chat.keeping.store import ConversationStore
from meadow_desktop.chat.keeping.store_problems import StoreError
from meadow_engine.api.errors import Problem

STREAM_DELAY_MS = 1500
DRAFT_DELAY_MS = 500
BROKEN_CODE = "conversations-broken"


class Shelf(QObject):
    """All conversations by their ids, and small values (drafts, presets) by their keys."""

    list_changed = Signal()
    trouble = Signal(object)  # Problem
    trouble_over = Signal()

    def __init__(self, store: ConversationStore, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._store = store
        self._heads: dict[str, ConversationHead] = {}
        self._read: dict[str, Conversation] = {}
        self._unsaved: set[str] = set()
        self._values: dict[str, str] = {}
        self._unsaved_keys: set[str] = set()
        self._has_trouble = False
        self._last_trouble: Problem | None = None
        self._stream_timer = QTimer(self, singleShot=True, interval=STREAM_DELAY_MS)
        self._stream_timer.timeout.connect(self.write)
        self._draft_timer = QTimer(self, singleShot=True, interval=DRAFT_DELAY_MS)
        self._draft_timer.timeout.connect(self.write)

    def load(self) -> None:
        """Read the list; what cannot be read is reported as `trouble`."""
        loaded = self._store.load()
        self._heads = {head.id: head for head in loaded.heads}
        problems = loaded.problems
        try:
            self._values = self._store.kept()
        except StoreError as error:
            problems = problems or [error.problem]
        self.list_changed.emit()
        for problem in problems:
            self.trouble.emit(problem)

    def take_over_old_files(self) -> Iterator[None]:
        """Steps: each takes one conversation over that is still a file of its own."""
        broken: list[Path] = []
        for path in find_old_files(self._store):
            try:
                taken = take_over(self._store, path)
            except StoreError as error:
                self.trouble.emit(error.problem)
                return
            except OSError as error:
                self.trouble.emit(store_problems.unreadable(self._store.folder, error))
                continue
            if isinstance(taken, ConversationHead):
                self._heads.setdefault(taken.id, taken)
            else:
                broken.append(taken)
            yield
        self.list_changed.emit()
        if broken:
            self.trouble.emit(store_problems.old_set_aside(broken))

    @property
    def heads(self) -> list[ConversationHead]:
        """All conversations, the latest first."""
        return sorted(self._heads.values(), key=lambda head: head.changed.timestamp(), reverse=True)

    def holds(self, conversation_id: str) -> bool:
        """Whether it is in the list."""
        return conversation_id in self._heads

    def get(self, conversation_id: str) -> Conversation | None:
        """The conversation; None, and `trouble`, when it is not in the list or cannot be read."""
        if conversation_id not in self._heads:
            return None
        if conversation_id not in self._read:
            try:
                self._read[conversation_id] = self._store.read(conversation_id)
            except StoreError as error:
                self.trouble.emit(error.problem)
                return None
        return self._read[conversation_id]

    def peek(self, conversation_id: str) -> Conversation | None:
        """The same as `get`, without keeping what had to be read."""
        known = self._read.get(conversation_id)
        if known is not None or conversation_id not in self._heads:
            return known
        try:
            return self._store.peek(conversation_id)
        except StoreError as error:
            self.trouble.emit(error.problem)
            return None

    def put(self, conversation: Conversation, *, is_streaming: bool = False) -> None:
        """Keep this value and write it: now, or soon while it changes all the time."""
        self._read[conversation.id] = conversation
        self._unsaved.add(conversation.id)
        head = head_of(conversation)
        if self._heads.get(conversation.id) != head:
            self._heads[conversation.id] = head
            self.list_changed.emit()
        if is_streaming:
            if not self._stream_timer.isActive():
                self._stream_timer.start()
        else:
            self.write()

    def take_out(self, conversation_id: str) -> bool:
        """Take it out of the list, to be put back or erased; False, and `trouble`, when the file keeps it."""
        try:
            self._store.set_deleted(conversation_id, True)
        except StoreError as error:
            self._take_failure(error.problem)
            return False
        self._heads.pop(conversation_id, None)
        self.list_changed.emit()
        return True

    def put_back(self, head: ConversationHead) -> bool:
        """Undo `take_out`; False, and `trouble`, when the file does not give it back."""
        try:
            self._store.set_deleted(head.id, False)
        except StoreError as error:
            self._take_failure(error.problem)
            return False
        self._heads[head.id] = head
        self.write()
        self.list_changed.emit()
        return True

    def erase(self, conversation_id: str) -> None:
        """Forget for good what was taken out."""
        self._read.pop(conversation_id, None)
        self._unsaved.discard(conversation_id)
        try:
            self._store.erase(conversation_id)
        except StoreError as error:
            self._take_failure(error.problem)

    def value(self, key: str) -> str:
        """What is kept under this key, or nothing."""
        return self._values.get(key, "")

    def keep(self, key: str, value: str) -> None:
        """Keep a small value; it is written within a second."""
        if value == self.value(key):
            return
        self._values[key] = value
        self._unsaved_keys.add(key)
        if not self._draft_timer.isActive():
            self._draft_timer.start()

    def write(self) -> None:
        """Write all that is not written yet; what fails stays for the next time."""
        waiting = sorted(self._unsaved & self._heads.keys())
        if not waiting and not self._unsaved_keys:
            return
        try:
            for conversation_id in waiting:
                self._store.save(self._read[conversation_id])
                self._unsaved.discard(conversation_id)
            if self._unsaved_keys:
                self._store.keep({key: self._values[key] for key in self._unsaved_keys})
                self._unsaved_keys.clear()
        except StoreError as error:
            self._take_failure(error.problem)
            return
        if self._has_trouble:
            self._has_trouble = False
            self.trouble_over.emit()

    def _take_failure(self, problem: Problem) -> None:
        if problem.code == BROKEN_CODE:
            # A new file is begun with what is known; the sentence is to stay when that works.
            self._unsaved |= self._read.keys() & self._heads.keys()
            self._unsaved_keys |= self._values.keys()
            self.trouble.emit(problem)
            QTimer.singleShot(0, self, self.write)
        elif not self._has_trouble or problem != self._last_trouble:
            # A draft that cannot be saved is no news with every letter.
            self._has_trouble, self._last_trouble = True, problem
            self.trouble.emit(problem)

    def close(self) -> None:
        """Write everything: the program ends, or may end."""
        self._stream_timer.stop()
        self._draft_timer.stop()
        self.write()
        self._store.close()
