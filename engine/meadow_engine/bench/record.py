"""What is kept of each measurement of a series: a JSON file with the command, its report, or why there is none."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Record:
    """One stage of a series. Just one of `report`, `error` and `skipped` says something."""

    stage: str
    title: str
    command: str = ""
    seconds: float = 0.0
    finished: str = ""
    """When, in UTC, as in 2030-01-31 18:00."""
    network: str = ""
    """The emulated network, in words; empty is this computer's loopback."""
    report: dict[str, Any] | None = None
    error: str = ""
    skipped: str = ""


def write_record(folder: Path, order: int, record: Record) -> Path:
    """Keep a record; the series shows records by `order`."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{order:02d}-{record.stage}.json"
    path.write_text(json.dumps(asdict(record), indent=1) + "\n", encoding="utf-8")
    return path


def read_records(folder: Path) -> list[Record]:
    """All records of a folder, in order."""
    return [Record(**json.loads(path.read_text(encoding="utf-8"))) for path in sorted(folder.glob("[0-9]*-*.json"))]
