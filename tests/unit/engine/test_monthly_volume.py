"""What was sent and received for others is counted for a calendar month, over restarts of the engine."""

from __future__ import annotations

import asyncio
import json
import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from meadow_engine import monthly_volume
from meadow_engine.monthly_volume import LookingAtVolume, MonthlyVolume
from meadow_engine.policy.facts import Facts

NOVEMBER = datetime(2026, 11, 21, 12, 0)


@dataclass
class Calendar:
    now: datetime = NOVEMBER

    def __call__(self) -> datetime:
        return self.now


class Looking:
    async def read(self) -> Facts:
        return Facts(7.0)


@pytest.fixture
def calendar() -> Calendar:
    return Calendar()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "volume.json"


def counts(volume: MonthlyVolume) -> tuple[int, int]:
    return volume.sent_bytes, volume.received_bytes


def test_bytes_add_up(path: Path, calendar: Calendar) -> None:
    volume = MonthlyVolume(path, calendar)
    volume.add(10, 1)
    volume.add(20, 2)
    assert counts(volume) == (30, 3)
    assert (volume.left_bytes(100), volume.left_bytes(20)) == (67, 0)


def test_they_outlive_the_engine(path: Path, calendar: Calendar) -> None:
    volume = MonthlyVolume(path, calendar)
    volume.add(10, 1)
    volume.write()
    assert counts(MonthlyVolume(path, calendar)) == (10, 1)
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_new_month_begins_at_nothing(path: Path, calendar: Calendar) -> None:
    volume = MonthlyVolume(path, calendar)
    volume.add(10, 1)
    volume.write()
    calendar.now = datetime(2026, 12, 1)
    assert counts(volume) == (0, 0)
    assert counts(MonthlyVolume(path, calendar)) == (0, 0)
    volume.add(5, 0)
    volume.write()
    assert counts(MonthlyVolume(path, calendar)) == (5, 0)


@pytest.mark.parametrize(
    ("now", "left"),
    [
        (datetime(2026, 11, 30, 23, 59, 30), timedelta(seconds=30)),
        (datetime(2026, 12, 1), timedelta(days=31)),
        (datetime(2028, 2, 28), timedelta(days=2)),
    ],
)
def test_it_is_known_when_the_month_ends(path: Path, now: datetime, left: timedelta) -> None:
    assert MonthlyVolume(path, Calendar(now)).month_left_s() == left.total_seconds()


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"\xff", b'{"month": "2026-11", "sent_bytes": -1}', b'{"sent_bytes": 5}']
)
def test_a_broken_file_is_named_and_counting_begins_at_nothing(
    path: Path, calendar: Calendar, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        volume = MonthlyVolume(path, calendar)
    assert counts(volume) == (0, 0)
    assert "counted from 0" in caplog.text
    volume.add(1, 1)
    volume.write()
    assert json.loads(path.read_text()) == {"month": "2026-11", "sent_bytes": 1, "received_bytes": 1}


def test_the_first_start_is_no_reason_for_a_warning(
    path: Path, calendar: Calendar, caplog: pytest.LogCaptureFixture
) -> None:
    MonthlyVolume(path, calendar).write()
    assert not caplog.records
    assert not path.exists()


def test_a_folder_that_cannot_be_written_is_named_and_nothing_else_fails(
    path: Path, calendar: Calendar, caplog: pytest.LogCaptureFixture
) -> None:
    path.parent.write_text("a file in the way")
    volume = MonthlyVolume(path, calendar)
    volume.add(1, 1)
    volume.write()
    assert "cannot be kept" in caplog.text
    assert counts(volume) == (1, 1)


async def test_it_is_written_from_time_to_time_and_at_the_end(
    path: Path, calendar: Calendar, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(monthly_volume, "WRITE_S", 0.01)
    written = asyncio.Event()
    loop = asyncio.get_running_loop()

    class Noticed(MonthlyVolume):
        def write(self) -> None:
            super().write()
            loop.call_soon_threadsafe(written.set)

    volume = Noticed(path, calendar)
    async with asyncio.TaskGroup() as group:
        keeping = group.create_task(volume.keep())
        volume.add(10, 1)
        async with asyncio.timeout(10):
            await written.wait()
        keeping.cancel()
    assert counts(MonthlyVolume(path, calendar)) == (10, 1)
    volume.add(5, 0)
    await volume.aclose()
    assert counts(MonthlyVolume(path, calendar)) == (15, 1)


async def test_what_is_left_is_a_fact_only_where_there_is_a_limit(path: Path, calendar: Calendar) -> None:
    limit_bytes = 0
    volume = MonthlyVolume(path, calendar)
    looking = LookingAtVolume(Looking(), volume, lambda: limit_bytes)
    volume.add(60, 50)
    assert await looking.read() == Facts(7.0)
    limit_bytes = 200
    assert await looking.read() == Facts(7.0, volume_left_bytes=90, month_left_s=volume.month_left_s())
    limit_bytes = 100
    assert (await looking.read()).volume_left_bytes == 0
