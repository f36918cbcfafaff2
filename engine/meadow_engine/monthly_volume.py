"""What was sent and received for others in this calendar month: `volume.json` in the data folder.

It is written once a minute at most, and at the engine's end, so a crash forgets a minute. A file that cannot be read is
as good as none: it is named in the log, counting begins at 0, and the next write replaces it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Protocol

from pydantic import BaseModel, ConfigDict, NonNegativeInt, ValidationError

from meadow_engine.api.places import write_private
from meadow_engine.policy.facts import Facts

WRITE_S = 60.0

log = logging.getLogger(__name__)


class _Counted(BaseModel):
    """`month` is one of the local calendar, such as 2026-11."""

    model_config = ConfigDict(extra="ignore")

    month: str
    sent_bytes: NonNegativeInt = 0
    received_bytes: NonNegativeInt = 0


class MonthlyVolume:
    """Counts; `keep` is its one task. `now` is the local time."""

    def __init__(self, path: Path, now: Callable[[], datetime] = datetime.now) -> None:
        self._path = path
        self._now = now
        self._counted = self._written = _read(path) or _Counted(month=_month(now()))

    @property
    def sent_bytes(self) -> int:
        return self._of_this_month().sent_bytes

    @property
    def received_bytes(self) -> int:
        return self._of_this_month().received_bytes

    def add(self, sent_bytes: int, received_bytes: int) -> None:
        counted = self._of_this_month()
        self._counted = _Counted(
            month=counted.month,
            sent_bytes=counted.sent_bytes + sent_bytes,
            received_bytes=counted.received_bytes + received_bytes,
        )

    def left_bytes(self, limit_bytes: int) -> int:
        """How much may still be sent and received this month; at least 0."""
        counted = self._of_this_month()
        return max(0, limit_bytes - counted.sent_bytes - counted.received_bytes)

    def month_left_s(self) -> float:
        """Seconds until the next month begins."""
        now = self._now()
        year, month = (now.year + 1, 1) if now.month == 12 else (now.year, now.month + 1)
        return (datetime(year, month, 1) - now).total_seconds()

    async def keep(self) -> None:
        """Write down what is new, for ever."""
        while True:
            await asyncio.sleep(WRITE_S)
            if self._of_this_month() != self._written:
                await asyncio.to_thread(self.write)

    async def aclose(self) -> None:
        await asyncio.to_thread(self.write)

    def write(self) -> None:
        """Write down what is new. A disk that is full is named in the log, and nothing else fails."""
        counted = self._of_this_month()
        if counted == self._written:
            return
        try:
            write_private(self._path, counted.model_dump_json())
        except OSError as error:
            log.warning("This month's volume cannot be kept over a restart: %s", error.strerror or error)
        else:
            self._written = counted

    def _of_this_month(self) -> _Counted:
        if self._counted.month != (month := _month(self._now())):
            self._counted = _Counted(month=month)
        return self._counted


class _Looking(Protocol):
    async def read(self) -> Facts: ...


class LookingAtVolume:
    """What others look at, and how much of the monthly volume is left; `limit_bytes` says 0 where there is no limit."""

    def __init__(self, looking: _Looking, volume: MonthlyVolume, limit_bytes: Callable[[], int]) -> None:
        self._looking = looking
        self._volume = volume
        self._limit_bytes = limit_bytes

    async def read(self) -> Facts:
        facts = await self._looking.read()
        if not (limit_bytes := self._limit_bytes()):
            return facts
        left_bytes, left_s = self._volume.left_bytes(limit_bytes), self._volume.month_left_s()
        return replace(facts, volume_left_bytes=left_bytes, month_left_s=left_s)


def _read(path: Path) -> _Counted | None:
    try:
        return _Counted.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError):
        log.warning("%s cannot be read; this month's volume is counted from 0", path)
        return None


def _month(now: datetime) -> str:
    return now.strftime("%Y-%m")
