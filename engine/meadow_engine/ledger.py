"""The ledger of what this computer computed for others, and others for it: `ledger.sqlite` in the data folder.

One row for every local day, model, other peer and direction; counts are added to it. What is counted waits in memory
for up to `WRITE_S`, and is written at the engine's end, so a crash forgets no more than that. While the file cannot be
written (a full disk), counts go on waiting, and readers get them nevertheless. A file that is no ledger is set aside
under another name, and counting goes on in a new one.

Threads: any. A lock lets one thread use the file at a time, with a connection that is closed again at once; `add` only
waits for memory. Work is kept in units of a thousand tokens x parameters, which is a billionth of a credit.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
import stat
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

from meadow_engine.api.contributions import Direction

WRITE_S = 10.0
NANOCREDITS = 1_000_000_000  # of one credit
_WORK_OF_NANOCREDIT = 1000  # tokens x parameters

_VERSION = 1
_TABLE = """(
    day TEXT NOT NULL,
    model TEXT NOT NULL,
    peer TEXT NOT NULL,
    direction TEXT NOT NULL,
    tokens INTEGER NOT NULL,
    nanocredits INTEGER NOT NULL,
    conversations INTEGER NOT NULL,
    PRIMARY KEY (day, model, peer, direction)
) WITHOUT ROWID"""
_ADD = """INSERT INTO {table} VALUES (?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET
        tokens = tokens + excluded.tokens,
        nanocredits = nanocredits + excluded.nanocredits,
        conversations = conversations + excluded.conversations"""
_BUSY_S = 5.0
# A file that is damaged, and one that never was a database.
_BROKEN = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)

_T = TypeVar("_T")
_Key = tuple[str, str, str, Direction]  # day, model, peer
_Sums = tuple[int, int, int]  # tokens, tokens x parameters, conversations

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Count:
    """Something that was computed for a peer (earned), or by it (spent); `work` is tokens x parameters."""

    model: str
    peer: str
    direction: Direction
    tokens: int
    work: int
    conversations: int = 0


class _StrangeLedgerError(Exception):
    """The file is a database that another version of Meadow, or another program, keeps."""


def connect(path: Path) -> sqlite3.Connection:
    """A connection to a file that only this user may read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, stat.S_IRUSR | stat.S_IWUSR))
    return sqlite3.connect(path, timeout=_BUSY_S)


class Ledger:
    """Counts; `keep` is its one task. `today` is the local date."""

    def __init__(
        self,
        path: Path,
        today: Callable[[], date] = date.today,
        connect: Callable[[Path], sqlite3.Connection] = connect,
    ) -> None:
        self.today = today
        self._path = path
        self._connect = connect
        self._file_lock = threading.Lock()
        self._waiting_lock = threading.Lock()
        self._waiting: dict[_Key, _Sums] = {}
        self._is_failing = False

    def add(self, count: Count) -> None:
        """Count something on this day."""
        key = (self.today().isoformat(), count.model, count.peer, count.direction)
        self._wait({key: (count.tokens, count.work, count.conversations)})

    async def keep(self) -> None:
        """Write down what is new, for ever."""
        while True:
            await asyncio.sleep(WRITE_S)
            if self._waiting:
                await asyncio.to_thread(self.write)

    async def aclose(self) -> None:
        await asyncio.to_thread(self.write)

    def write(self) -> str:
        """Write down what is new; empty, or a sentence that says why that is not possible now."""
        with self._file_lock:
            with self._waiting_lock:
                waiting, self._waiting = self._waiting, {}
            if not waiting:
                return ""
            try:
                self._use(lambda connection: _insert(connection, "counts", waiting.items()))
            except (OSError, sqlite3.Error) as error:
                self._wait(waiting)
                return self._say_failing(error)
            if self._is_failing:
                log.info("The ledger is written again")
            self._is_failing = False
            return ""

    def read(self, query: str, values: Sequence[object] = ()) -> tuple[list[tuple[Any, ...]], str]:
        """Rows of a SELECT over `known`, which has the columns of the file and also holds what is not yet written.

        With them comes a sentence if the file cannot be read or written now: the rows may then be a part of all.
        """
        why = self.write()
        with self._file_lock:
            with self._waiting_lock:
                waiting = dict(self._waiting)

            def select(connection: sqlite3.Connection) -> list[tuple[Any, ...]]:
                connection.execute(f"CREATE TEMP TABLE waiting {_TABLE}")
                _insert(connection, "waiting", waiting.items())
                known = "WITH known AS (SELECT * FROM counts UNION ALL SELECT * FROM waiting)"
                return connection.execute(f"{known} {query}", values).fetchall()

            try:
                return self._use(select), why
            except (OSError, sqlite3.Error) as error:
                why = self._say_failing(error)
            with closing(sqlite3.connect(":memory:")) as nothing:
                _prepare(nothing)
                return select(nothing), why

    def _wait(self, counted: dict[_Key, _Sums]) -> None:
        with self._waiting_lock:
            for key, sums in counted.items():
                known = self._waiting.get(key, (0, 0, 0))
                self._waiting[key] = (known[0] + sums[0], known[1] + sums[1], known[2] + sums[2])

    def _use(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        """Do something with the file, or with a new one if this one is no ledger."""
        try:
            return self._use_once(work)
        except sqlite3.DatabaseError as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF not in _BROKEN:
                raise
        except _StrangeLedgerError:
            pass
        self._set_aside()
        return self._use_once(work)

    def _use_once(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        with closing(self._connect(self._path)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            _prepare(connection)
            with connection:
                return work(connection)

    def _set_aside(self) -> None:
        names = (f"{self._path.name}.broken{number}" for number in ("", *(f"-{more}" for more in range(2, 1000))))
        target = next(path for name in names if not (path := self._path.with_name(name)).exists())
        self._path.replace(target)
        for kind in ("-wal", "-shm"):  # they belong to the old file; the new one must not meet them
            with suppress(FileNotFoundError):
                self._path.with_name(self._path.name + kind).replace(target.with_name(target.name + kind))
        log.warning("%s cannot be read; it is now %s, and counting begins anew", self._path.name, target.name)

    def _say_failing(self, error: Exception) -> str:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        why = f"The ledger's file cannot be used now ({reason}); what is new is kept in memory until it can"
        if not self._is_failing:
            log.warning("%s", why)
        self._is_failing = True
        return why


def _prepare(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA temp_store = MEMORY")
    ((version,),) = connection.execute("PRAGMA user_version")
    if version not in (0, _VERSION):
        raise _StrangeLedgerError
    if version == 0:
        with connection:
            connection.execute(f"CREATE TABLE IF NOT EXISTS counts {_TABLE}")
            connection.execute(f"PRAGMA user_version = {_VERSION}")


def _insert(connection: sqlite3.Connection, table: str, counted: Iterable[tuple[_Key, _Sums]]) -> None:
    rows = (
        (*key, tokens, (work + _WORK_OF_NANOCREDIT // 2) // _WORK_OF_NANOCREDIT, conversations)
        for key, (tokens, work, conversations) in counted
    )
    connection.executemany(_ADD.format(table=table), rows)
