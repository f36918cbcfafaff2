"""Searches the file of conversations, on any thread: it has a connection of its own, and only reads.

There is no index: 10,000 messages of a kilobyte are looked through in some 30 ms, and parts of words are found too.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from meadow_desktop.chat.conversation import Answer, Message, Question
from meadow_desktop.chat.keeping import store_problems
from meadow_desktop.chat.keeping.store_problems import StoreError
from meadow_desktop.chat.search import SearchHit, cut_snippet, query_words
from meadow_desktop.chat.text.plain import without_marks

MOST_HITS = 100
_LOCKED_S = 0.2
_MESSAGE: TypeAdapter[Question | Answer] = TypeAdapter(Message)


def search_file(path: Path, query: str) -> list[SearchHit]:
    """Titles and messages that hold all the words, on any branch: titles first, then the latest first.

    Raises:
        StoreError: the file cannot be read.
    """
    words = query_words(query)
    if not words or not path.is_file():
        return []
    # A folder that cannot be written has no room for the log's companions; then the file alone is read.
    for option in ("", "&immutable=1"):
        try:
            address = f"{path.absolute().as_uri()}?mode=ro{option}"
            with closing(sqlite3.connect(address, uri=True, timeout=_LOCKED_S)) as connection:
                return _search(connection, words)
        except sqlite3.Error as error:
            problem = store_problems.unreadable(path.parent, error)
    raise StoreError(problem)


def _search(connection: sqlite3.Connection, words: list[str]) -> list[SearchHit]:
    titles = connection.execute(
        f"SELECT id, title FROM conversation WHERE NOT is_deleted AND {_holds('folded', words)}"
        " ORDER BY changed DESC LIMIT ?",
        (*words, MOST_HITS),
    ).fetchall()
    # CROSS JOIN: SQLite keeps this order, and looks conversations up for the messages that were found only. The bodies
    # are read for those that are left at the end.
    messages = connection.execute(
        "SELECT conversation, title, message.id, body FROM message JOIN"
        " (SELECT message.rowid AS found, title, changed FROM message CROSS JOIN conversation"
        f" ON conversation.id = message.conversation WHERE {_holds('message.folded', words)}"
        " AND NOT is_deleted ORDER BY changed DESC, place DESC LIMIT ?)"
        " ON message.rowid = found ORDER BY changed DESC, place DESC",
        (*words, MOST_HITS - len(titles)),
    ).fetchall()
    hits = [SearchHit(each, title, "", *cut_snippet(title, words)) for each, title in titles]
    for conversation_id, title, message_id, body in messages:
        hits.append(SearchHit(conversation_id, title, message_id, *cut_snippet(_text_of(body), words)))
    return hits


def _holds(column: str, words: list[str]) -> str:
    return " AND ".join([f"instr({column}, ?) > 0"] * len(words))


def _text_of(body: str) -> str:
    try:
        message = _MESSAGE.validate_json(body)
    except ValidationError:
        return ""
    return without_marks(message.text) if isinstance(message, Answer) else message.text
