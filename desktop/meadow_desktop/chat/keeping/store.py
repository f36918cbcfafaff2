"""Conversations on disk: saving what changed, reading one, listing and searching all.

    conversations/conversations.sqlite   all conversations, drafts and presets (`database.py`)
    conversations/imported/              the files of the time before, one for each conversation (`old_files.py`)

A list of conversations is read without their messages, so that a start does not depend on how much was ever said.
Nothing that is wrong with the files keeps the window from opening. Threads: GUI thread; each call is short.
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from meadow_desktop.chat.conversation import Answer, Conversation, ConversationHead, Question, settle
from meadow_desktop.chat.keeping import store_problems
from meadow_desktop.chat.keeping.database import FILE_NAME, Connect, Database
from meadow_desktop.chat.keeping.layouts import dump_conversation, put_together
from meadow_desktop.chat.keeping.search_file import search_file
from meadow_desktop.chat.keeping.store_problems import StoreError
from meadow_desktop.chat.search import SearchHit, fold
from meadow_engine.api.errors import Problem


@dataclass(frozen=True)
class Loaded:
    """The list of conversations, the latest first, and what was wrong with the file."""

    heads: list[ConversationHead]
    problems: list[Problem]


class ConversationStore:
    """The folder of conversations."""

    def __init__(self, folder: Path, connect: Connect = sqlite3.connect) -> None:
        self.folder = folder
        self.path = folder / FILE_NAME
        self._database = Database(folder, connect)
        # What the file holds of each conversation: a message's place and value. Only differences are written.
        self._written: dict[str, dict[str, tuple[int, Question | Answer]]] = {}

    def load(self) -> Loaded:
        """List all conversations; those that were being deleted when the program ended are deleted now.

        Raises nothing: what failed is among the problems.
        """
        if not self._database.exists():
            return Loaded([], [])
        problems: list[Problem] = []
        try:
            with self._database.writing() as connection:
                for (conversation_id,) in connection.execute("SELECT id FROM conversation WHERE is_deleted").fetchall():
                    _erase(connection, conversation_id)
        except StoreError as error:
            problems.append(error.problem)
        if not self._database.exists():
            return Loaded([], problems)
        try:
            with self._database.reading() as connection:
                rows = connection.execute(
                    "SELECT id, title, changed FROM conversation WHERE NOT is_deleted ORDER BY changed DESC"
                ).fetchall()
        except StoreError as error:
            return Loaded([], problems or [error.problem])
        return Loaded([ConversationHead(each, title, _moment(changed)) for each, title, changed in rows], problems)

    def read(self, conversation_id: str) -> Conversation:
        """One conversation with all its messages, to be changed and saved.

        Raises:
            StoreError: it is not there, or not as it was written.
        """
        conversation = self._read(conversation_id)
        self._written[conversation_id] = _placed(conversation)
        return settle(conversation)

    def peek(self, conversation_id: str) -> Conversation:
        """The same, to be looked at.

        Raises:
            StoreError: it is not there, or not as it was written.
        """
        return settle(self._read(conversation_id))

    def _read(self, conversation_id: str) -> Conversation:
        with self._database.reading() as connection:
            found = connection.execute("SELECT head FROM conversation WHERE id = ?", (conversation_id,)).fetchone()
            bodies = connection.execute(
                "SELECT body FROM message WHERE conversation = ? ORDER BY place", (conversation_id,)
            ).fetchall()
        try:
            if found is None:
                raise ValueError("it is not there")
            return put_together(found[0], [body for (body,) in bodies])
        except (ValueError, TypeError) as error:
            raise StoreError(store_problems.one_unreadable(self.folder)) from error

    def save(self, conversation: Conversation) -> None:
        """Write what changed since this conversation was saved or read.

        Raises:
            StoreError: the folder cannot be written, or the disk is full.
        """
        placed = _placed(conversation)
        head = dump_conversation(_without_messages(conversation))
        del head["nodes"]
        with self._database.writing() as connection:
            written = self._written.get(conversation.id, {}) if self._is_known(connection, conversation.id) else {}
            connection.execute(
                "INSERT INTO conversation (id, title, folded, changed, head) VALUES (?, ?, ?, ?, ?)"
                " ON CONFLICT (id) DO UPDATE SET title = excluded.title, folded = excluded.folded,"
                " changed = excluded.changed, head = excluded.head",
                (
                    conversation.id,
                    conversation.title,
                    fold(conversation.title),
                    conversation.changed.timestamp(),
                    json.dumps(head, ensure_ascii=False),
                ),
            )
            for message_id in written.keys() - placed.keys():
                connection.execute(
                    "DELETE FROM message WHERE conversation = ? AND id = ?", (conversation.id, message_id)
                )
            for message_id, (place, node) in placed.items():
                before = written.get(message_id)
                if before is None or before[0] != place or before[1] is not node:
                    connection.execute(
                        "INSERT INTO message (conversation, id, place, folded, body) VALUES (?, ?, ?, ?, ?)"
                        " ON CONFLICT (conversation, id) DO UPDATE SET place = excluded.place,"
                        " folded = excluded.folded, body = excluded.body",
                        (conversation.id, message_id, place, fold(node.text), node.model_dump_json()),
                    )
        self._written[conversation.id] = placed

    def holds(self, conversation_id: str) -> bool:
        """Whether a conversation of this id was ever saved and not erased.

        Raises:
            StoreError: the file cannot be read.
        """
        if not self._database.exists():
            return False
        with self._database.reading() as connection:
            return self._is_known(connection, conversation_id)

    def set_deleted(self, conversation_id: str, is_deleted: bool) -> None:
        """Take a conversation out of all lists, or put it back. One that was never written is no error.

        Raises:
            StoreError: it stays as it was.
        """
        if self._database.exists():
            with self._database.writing() as connection:
                connection.execute(
                    "UPDATE conversation SET is_deleted = ? WHERE id = ?", (int(is_deleted), conversation_id)
                )

    def erase(self, conversation_id: str) -> None:
        """Remove a conversation and its draft for good.

        Raises:
            StoreError: it stays as it was.
        """
        self._written.pop(conversation_id, None)
        if self._database.exists():
            with self._database.writing() as connection:
                _erase(connection, conversation_id)

    def search(self, query: str) -> list[SearchHit]:
        """What `search_file` finds.

        Raises:
            StoreError: the file cannot be read.
        """
        return search_file(self.path, query)

    def keep(self, values: dict[str, str]) -> None:
        """Write small values under their keys; an empty one is forgotten.

        Raises:
            StoreError: nothing was written.
        """
        with self._database.writing() as connection:
            for key, value in values.items():
                if value:
                    connection.execute("INSERT OR REPLACE INTO kept (key, value) VALUES (?, ?)", (key, value))
                else:
                    connection.execute("DELETE FROM kept WHERE key = ?", (key,))

    def kept(self) -> dict[str, str]:
        """All values that were kept.

        Raises:
            StoreError: the file cannot be read.
        """
        if not self._database.exists():
            return {}
        with self._database.reading() as connection:
            return dict(connection.execute("SELECT key, value FROM kept").fetchall())

    def close(self) -> None:
        """Write the log back into the file; the store may be used again."""
        self._database.close()

    @staticmethod
    def _is_known(connection: sqlite3.Connection, conversation_id: str) -> bool:
        found = connection.execute("SELECT 1 FROM conversation WHERE id = ?", (conversation_id,)).fetchone()
        return found is not None


def draft_key(conversation_id: str) -> str:
    """Under which the unsent text of a conversation is kept; "" is the new one."""
    return f"draft:{conversation_id}"


def _placed(conversation: Conversation) -> dict[str, tuple[int, Question | Answer]]:
    return {node.id: (place, node) for place, node in enumerate(conversation.nodes)}


def _without_messages(conversation: Conversation) -> Conversation:
    return Conversation(
        conversation.id,
        conversation.title,
        conversation.created,
        conversation.changed,
        chosen=conversation.chosen,
        settings=conversation.settings,
    )


def _erase(connection: sqlite3.Connection, conversation_id: str) -> None:
    connection.execute("DELETE FROM message WHERE conversation = ?", (conversation_id,))
    connection.execute("DELETE FROM conversation WHERE id = ?", (conversation_id,))
    connection.execute("DELETE FROM kept WHERE key = ?", (draft_key(conversation_id),))


def _moment(timestamp: float) -> datetime:
    return datetime.fromtimestamp(timestamp, UTC)
