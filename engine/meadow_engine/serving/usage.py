"""What clients hold on this server now, and a file that says so."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

_PAUSE_S = 0.25

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Usage:
    """Counts. `streams` are those of clients (`sessions`) and of servers before; `waiting` stand in line for pages."""

    sessions: int = 0
    streams: int = 0
    pages: int = 0
    host_pages: int = 0
    waiting: int = 0
    retained_bytes: int = 0


@asynccontextmanager
async def keep_written(path: Path | None, usage: Callable[[], Usage]) -> AsyncIterator[None]:
    """As long as the block runs, keep `path` in agreement with `usage`; without a path, nothing.

    Readers always find a whole JSON object. A disk that is full ends nothing: the file is then out of date.
    """
    if path is None:
        yield
        return
    written = _write(path, usage(), None)
    async with asyncio.TaskGroup() as group:
        writing = group.create_task(_keep_writing(path, usage, written))
        try:
            yield
        finally:
            writing.cancel()


async def _keep_writing(path: Path, usage: Callable[[], Usage], written: Usage | None) -> None:
    while True:
        await asyncio.sleep(_PAUSE_S)
        written = _write(path, usage(), written)


def _write(path: Path, usage: Usage, written: Usage | None) -> Usage | None:
    """Bring the file up to date; what it says afterwards."""
    if usage == written:
        return written
    new = path.with_name(path.name + ".new")
    try:
        new.write_text(json.dumps(asdict(usage)) + "\n", encoding="utf-8")
        os.replace(new, path)
    except OSError as error:
        log.warning("The status file could not be written: %s", error.strerror)
        return written
    return usage
