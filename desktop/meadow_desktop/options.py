"""What the command line asked for. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Options:
    """What the command line asked for."""

    base_dir: Path | None = None
    has_tray: bool = True
    opens_chat: bool = False
    attaches_only: bool = False
    fake_engine: str | None = None
    engine_command: str | None = None
    colour_scheme: str = "system"
    logs_json: bool = False
    logs_blocks: bool = False
