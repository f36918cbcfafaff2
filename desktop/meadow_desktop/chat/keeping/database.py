"""The file of conversations: opening it, its tables, and one transaction at a time. SQLite with a write-ahead log.

A transaction that was committed survives a killed program; after a power cut the newest may be missing, and the file is
whole (https://www.sqlite.org/pragma.html#pragma_synchronous). Deleted text is overwritten in the file, and is gone from
its log when the program ends. The file and its log are readable by this user only. GUI thread: waits 0.2 s at most for
another program that has the file locked.
"""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from meadow_desktop.chat.keeping import store_problems
from meadow_desktop.chat.keeping.store_problems import StoreError
from meadow_engine.api.errors import Problem

FILE_NAME = "conversations.sqlite"
BROKEN_SUFFIX = ".broken"
_VERSION = 1
_LOCKED_S = 0.2
_COMPANIONS = ("-wal", "-shm")

# `folded` stands before `body`, so that a search over all messages does not read the bodies too.
_TABLES = """
CREATE TABLE conversation (
    id TEXT PRIMARY KEY, title TEXT NOT NULL, folded TEXT NOT NULL, changed REAL NOT NULL, head TEXT NOT NULL,
    is_deleted INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE message (
    conversation TEXT NOT NULL, id TEXT NOT NULL, place INTEGER NOT NULL, folded TEXT NOT NULL, body TEXT NOT NULL
);
CREATE UNIQUE INDEX message_by_id ON message (conversation, id);
CREATE TABLE kept (key TEXT PRIMARY KEY, value TEXT NOT NULL);
"""

Connect = Callable[..., sqlite3.Connection]


class Database:
    """Opens the file when it is first needed, and again after something went wrong."""

    def __init__(self, folder: Path, connect: Connect = sqlite3.connect) -> None:
        self.folder = folder
        self.path = folder / FILE_NAME
        self._connect = connect
        self._connection: sqlite3.Connection | None = None
        self._can_write = False
        self.set_aside: list[Path] = []

    def exists(self) -> bool:
        """Whether there is anything to read."""
        return self._connection is not None or _is_there(self.path)

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction: all of it is written, or nothing.

        Raises:
            StoreError: it was not written.
        """
        connection = self._open(for_writing=True)
        try:
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            self._give_up(connection)
            raise StoreError(self._describe(error)) from error
        except BaseException:
            self._give_up(connection)
            raise

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """For questions only; works in a folder that cannot be written as well.

        Raises:
            StoreError: the file cannot be read.
        """
        connection = self._open(for_writing=False)
        try:
            yield connection
        except sqlite3.Error as error:
            self._give_up(connection)
            raise StoreError(self._describe(error, is_reading=True)) from error

    def close(self) -> None:
        """Write the log back into the file. It may be used again."""
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.close()
            except sqlite3.Error:
                return  # the log stays, and the next start reads it

    def _open(self, *, for_writing: bool) -> sqlite3.Connection:
        if self._connection is not None and (self._can_write or not for_writing):
            return self._connection
        self.close()
        try:
            self._connection = self._open_writable()
            self._can_write = True
        except (OSError, sqlite3.Error) as error:
            if store_problems.is_broken(error):
                raise StoreError(self._put_aside()) from error
            if for_writing or not _is_there(self.path):
                raise StoreError(store_problems.unwritable(self.folder, error)) from error
            self._connection = self._open_read_only()
            self._can_write = False
        return self._connection

    def _open_writable(self) -> sqlite3.Connection:
        self.folder.mkdir(parents=True, exist_ok=True)
        # SQLite gives its log the mode of the file.
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, stat.S_IRUSR | stat.S_IWUSR))
        connection = self._connect(self.path, timeout=_LOCKED_S, isolation_level=None)
        try:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version > _VERSION:
                raise StoreError(store_problems.too_new(self.path))
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("PRAGMA secure_delete = ON")
            if version == 0:
                connection.executescript(f"BEGIN IMMEDIATE; {_TABLES} PRAGMA user_version = {_VERSION}; COMMIT;")
            else:
                connection.execute("BEGIN IMMEDIATE")  # says now whether it can be written
                connection.execute("ROLLBACK")
        except BaseException:
            connection.close()
            raise
        return connection

    def _open_read_only(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = None
        try:
            address = f"{self.path.absolute().as_uri()}?mode=ro&immutable=1"
            connection = self._connect(address, uri=True, isolation_level=None)
            (version,) = connection.execute("PRAGMA user_version").fetchone()
        except sqlite3.Error as error:
            if connection is not None:
                connection.close()
            raise StoreError(store_problems.unreadable(self.folder, error)) from error
        if version != _VERSION:
            connection.close()
            raise StoreError(store_problems.too_new(self.path))
        return connection

    def _give_up(self, connection: sqlite3.Connection) -> None:
        try:
            connection.rollback()
        except sqlite3.Error:
            self.close()

    def _describe(self, error: sqlite3.Error, *, is_reading: bool = False) -> Problem:
        if store_problems.is_broken(error):
            return self._put_aside()
        describe = store_problems.unreadable if is_reading else store_problems.unwritable
        return describe(self.folder, error)

    def _put_aside(self) -> Problem:
        """Give the broken file another name, so that the next attempt begins a new one."""
        self.close()
        number = 1
        while (aside := self.path.with_name(f"{FILE_NAME}{BROKEN_SUFFIX}{number if number > 1 else ''}")).exists():
            number += 1
        try:
            self.path.replace(aside)
            for companion in _COMPANIONS:  # with the file's new name SQLite finds them again
                old = self.path.with_name(FILE_NAME + companion)
                if old.exists():
                    old.replace(aside.with_name(aside.name + companion))
        except OSError as error:
            return store_problems.unwritable(self.folder, error)
        self.set_aside.append(aside)
        return store_problems.set_aside(aside)


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return False
