"""What is counted adds up by day, model, computer and direction, and outlives engines, full disks and broken files."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import stat
import threading
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import pytest

from meadow_engine import ledger as ledger_module
from meadow_engine.ledger import NANOCREDITS, Count, Ledger, connect

TODAY = date(2026, 11, 21)
SUMS = "SUM(tokens), SUM(nanocredits), SUM(conversations)"
ALL = f"SELECT day, model, peer, direction, {SUMS} FROM known GROUP BY 1, 2, 3, 4"
CREDIT = 10**12  # tokens x parameters


@dataclass
class Calendar:
    day: date = TODAY

    def __call__(self) -> date:
        return self.day


class Disk:
    """Connections to real files; the next one may find the disk full, as SQLite says it."""

    def __init__(self) -> None:
        self.is_full = False

    def connect(self, path: Path) -> sqlite3.Connection:
        connection = connect(path)
        if self.is_full:
            ((pages,),) = connection.execute("PRAGMA page_count")
            connection.execute(f"PRAGMA max_page_count = {max(1, pages)}")
        return connection


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "ledger.sqlite"


def earned(tokens: int = 10, work: int = CREDIT, conversations: int = 0, peer: str = "anna") -> Count:
    return Count("demo", peer, "earned", tokens, work, conversations)


def rows(ledger: Ledger) -> list[tuple[object, ...]]:
    found, why = ledger.read(ALL)
    assert why == ""
    return found


def names(path: Path) -> list[str]:
    return sorted(entry.name for entry in path.parent.iterdir())


def test_counts_add_up_by_model_computer_and_direction(path: Path) -> None:
    ledger = Ledger(path, Calendar())
    for count in (earned(10, CREDIT, 1), earned(5, CREDIT // 2), earned(7, CREDIT, 1, "bert")):
        ledger.add(count)
        ledger.write()
    ledger.add(Count("demo", "anna", "spent", 3, 2 * CREDIT, 1))
    ledger.add(Count("other", "anna", "earned", 1, 3000))
    assert rows(ledger) == [
        ("2026-11-21", "demo", "anna", "earned", 15, NANOCREDITS * 3 // 2, 1),
        ("2026-11-21", "demo", "anna", "spent", 3, NANOCREDITS * 2, 1),
        ("2026-11-21", "demo", "bert", "earned", 7, NANOCREDITS, 1),
        ("2026-11-21", "other", "anna", "earned", 1, 3, 0),
    ]


def test_a_count_belongs_to_the_day_on_which_it_was_made_and_not_to_that_on_which_it_is_written(path: Path) -> None:
    calendar = Calendar()
    ledger = Ledger(path, calendar)
    ledger.add(earned(1))
    calendar.day += timedelta(days=1)
    ledger.add(earned(2))
    ledger.write()
    assert [(row[0], row[4]) for row in rows(ledger)] == [("2026-11-21", 1), ("2026-11-22", 2)]


def test_counts_outlive_the_engine_in_a_file_for_its_owner_only(path: Path) -> None:
    first = Ledger(path, Calendar())
    first.add(earned(4))
    asyncio.run(first.aclose())
    second = Ledger(path, Calendar())
    second.add(earned(6))
    assert [row[4] for row in rows(second)] == [10]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert names(path) == ["ledger.sqlite"]


def test_nothing_is_written_before_something_is_counted(path: Path) -> None:
    asyncio.run(Ledger(path, Calendar()).aclose())
    assert not path.exists()


def test_readers_see_what_is_not_written_yet(path: Path) -> None:
    disk = Disk()
    ledger = Ledger(path, Calendar(), disk.connect)
    ledger.add(earned(4))
    assert rows(ledger)[0][4] == 4


@pytest.mark.parametrize("content", [b"this is no database, it is a letter" * 100, b"", b"\0" * 5000])
def test_a_file_that_is_no_ledger_is_set_aside_and_counting_goes_on(
    path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    ledger = Ledger(path, Calendar())
    ledger.add(earned(4))
    assert [row[4] for row in rows(ledger)] == [4]
    if content:
        assert names(path) == ["ledger.sqlite", "ledger.sqlite.broken"]
        assert path.with_name("ledger.sqlite.broken").read_bytes() == content
        assert "ledger.sqlite cannot be read; it is now ledger.sqlite.broken" in caplog.text
    else:
        assert names(path) == ["ledger.sqlite"]  # an empty file is an empty ledger


def test_a_file_that_breaks_while_the_engine_runs_loses_nothing_that_is_counted_later(path: Path) -> None:
    ledger = Ledger(path, Calendar())
    for number in range(200):
        ledger.add(earned(peer=f"peer {number:050}"))
    ledger.write()
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)  # all pages but the first, which says what the file is
    path.write_bytes(content)
    ledger.add(earned(4))
    assert [row[4] for row in rows(ledger)] == [4]
    assert names(path) == ["ledger.sqlite", "ledger.sqlite.broken"]


def test_every_broken_file_is_kept(path: Path) -> None:
    path.parent.mkdir()
    ledger = Ledger(path, Calendar())
    for content in ("one letter", "another one", "a third"):
        path.write_text(content * 100)
        rows(ledger)
    broken = ["ledger.sqlite.broken", "ledger.sqlite.broken-2", "ledger.sqlite.broken-3"]
    assert names(path) == ["ledger.sqlite", *broken]
    assert [path.with_name(name).read_text()[:3] for name in broken] == ["one", "ano", "a t"]


def test_a_ledger_of_a_later_version_is_not_written_to(path: Path) -> None:
    path.parent.mkdir()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 2")
    connection.close()
    ledger = Ledger(path, Calendar())
    ledger.add(earned(4))
    assert [row[4] for row in rows(ledger)] == [4]
    assert names(path) == ["ledger.sqlite", "ledger.sqlite.broken"]


def test_a_full_disk_is_named_once_and_counts_wait_until_there_is_room(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    disk = Disk()
    ledger = Ledger(path, Calendar(), disk.connect)
    ledger.add(earned(1))
    ledger.write()
    disk.is_full = True
    for number in range(300):
        ledger.add(earned(1, peer=f"peer {number:050}"))
        why = ledger.write() if number % 100 == 99 else ""
    assert "disk is full" in why
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    found, why = ledger.read("SELECT SUM(tokens), SUM(conversations) FROM known")
    assert found == [(301, 0)]
    assert "disk is full" in why
    disk.is_full = False
    with caplog.at_level(logging.INFO):
        assert ledger.write() == ""
    assert caplog.messages[-1] == "The ledger is written again"
    again = Ledger(path, Calendar())
    assert again.read("SELECT COUNT(*), SUM(tokens) FROM known") == ([(301, 301)], "")


def test_where_no_file_can_be_made_counts_are_told_nevertheless(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "data").write_text("a file where the folder should be")
    ledger = Ledger(tmp_path / "data" / "ledger.sqlite", Calendar())
    ledger.add(earned(4))
    for _ in range(3):
        found, why = ledger.read(ALL)
        assert [row[4] for row in found] == [4]
        assert "kept in memory" in why
    assert len(caplog.records) == 1


def test_many_threads_count_write_and_read_and_nothing_is_lost_or_counted_twice(path: Path) -> None:
    ledger = Ledger(path, Calendar())
    seen: list[int] = []

    def count() -> None:
        for _ in range(200):
            ledger.add(earned(1, 1000))

    def write() -> None:
        for _ in range(20):
            assert ledger.write() == ""

    def read() -> None:
        for _ in range(20):
            found, why = ledger.read("SELECT COALESCE(SUM(tokens), 0) FROM known")
            assert why == ""
            seen.append(found[0][0])

    threads = [threading.Thread(target=work) for work in (count, count, count, write, write, read)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == sorted(seen)
    assert [row[4:6] for row in rows(ledger)] == [(600, 600)]


async def test_what_is_new_is_written_from_time_to_time(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_module, "WRITE_S", 0.01)
    ledger = Ledger(path, Calendar())
    ledger.add(earned(4))
    async with asyncio.TaskGroup() as group:
        keeping = group.create_task(ledger.keep())
        async with asyncio.timeout(10):
            while Ledger(path).read("SELECT SUM(tokens) FROM known")[0] != [(4,)]:  # noqa: ASYNC110 - files have no events
                await asyncio.sleep(0.01)
        keeping.cancel()


async def test_whoever_ends_in_the_middle_of_writing_counts_nothing_twice(path: Path) -> None:
    is_writing, may_write = threading.Event(), threading.Event()

    def slow(path: Path) -> sqlite3.Connection:
        is_writing.set()
        may_write.wait(10)
        return connect(path)

    ledger = Ledger(path, Calendar(), slow)
    ledger.add(earned(4))
    async with asyncio.TaskGroup() as group:
        closing = group.create_task(ledger.aclose())
        await asyncio.to_thread(is_writing.wait, 10)
        closing.cancel()
        may_write.set()
    await ledger.aclose()
    assert [row[4] for row in rows(Ledger(path, Calendar()))] == [4]
