"""The end of a log file, as lines with a level, and those of them that somebody wants to see. Reads files; no Qt.

    2026-01-31 22:15:01,123 WARNING meadow_engine.sharing: text        (engine.log, desktop.log)

Lines in between, as of a traceback, belong to the line before and have its level. At most `TAIL_BYTES` are read,
however large the file is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from meadow_desktop.phrases import describe_failure

TAIL_BYTES = 512 * 1024
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
_LEVEL = re.compile(r"^(?:\d{4}-\d\d-\d\d )?\d\d:\d\d:\d\d\S* (DEBUG|INFO|WARN|WARNING|ERROR|CRITICAL)\b")


@dataclass(frozen=True)
class LogLine:
    """One line of the file, and the place of its level in `LEVELS`."""

    level: int
    text: str


@dataclass(frozen=True)
class LogTail:
    """The end of a file. `is_cut` where there is more before it; `error` where it could not be read."""

    lines: tuple[LogLine, ...] = ()
    is_cut: bool = False
    error: str = ""
    stamp: tuple[int, int] = (0, 0)
    """Changes with the file: what it was modified at, in nanoseconds, and its size in bytes."""


def find_logs(folder: Path) -> list[str]:
    """Names of the log files, the engine's and the desktop's first; older parts (`engine.log.1`) are left out."""
    try:
        names = sorted(path.name for path in folder.iterdir() if path.suffix == ".log")
    except OSError:
        return []
    first = [name for name in ("engine.log", "desktop.log") if name in names]
    return first + [name for name in names if name not in first]


def read_tail(path: Path, known: LogTail | None = None) -> LogTail:
    """The file's end; `known` again where the file has not changed since."""
    try:
        found = path.stat()
        stamp = (found.st_mtime_ns, found.st_size)
        if known is not None and known.stamp == stamp:
            return known
        with path.open("rb") as file:
            start = max(0, found.st_size - TAIL_BYTES)
            file.seek(start)
            data = file.read(TAIL_BYTES)
    except OSError as error:
        return LogTail(error=describe_failure(error))
    if start:
        data = data.partition(b"\n")[2]  # the first line may have lost its beginning
    return LogTail(tuple(_read_lines(data.decode("utf-8", errors="replace"))), start > 0, stamp=stamp)


def choose_lines(lines: Iterable[LogLine], least: int, words: str) -> list[LogLine]:
    """Those of at least this level that contain the text, whatever its case."""
    wanted = words.casefold()
    return [line for line in lines if line.level >= least and wanted in line.text.casefold()]


def _read_lines(text: str) -> Iterator[LogLine]:
    level = LEVELS.index("INFO")
    for line in text.splitlines():
        if (found := _LEVEL.match(line)) is not None:
            level = LEVELS.index("WARNING" if found[1] == "WARN" else found[1])
        yield LogLine(level, line)
