"""Keep the person's pause over a restart of the engine: `sharing.json` in the data folder.

A pause until restart is not kept. A file that cannot be read is as good as none: it is named in the log, and the next
pause replaces it.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from meadow_engine.api.places import write_private
from meadow_engine.policy.wishes import Pause, Wishes

log = logging.getLogger(__name__)


class _Kept(BaseModel):
    """`until` is a time of the wall clock, in seconds since 1970."""

    model_config = ConfigDict(extra="ignore")

    pause: Literal["30m", "1h", "4h", "resumed"] | None = None
    until: float | None = None
    is_finishing: bool = False


def read_wishes(path: Path, now_s: float, wall_s: float) -> Wishes:
    """What was asked for and still counts; `now_s` is the time on the facts' clock, `wall_s` that of the wall clock."""
    try:
        kept = _Kept.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return Wishes()
    except (OSError, ValidationError):
        log.warning("%s cannot be read; a pause that it may hold is forgotten", path)
        return Wishes()
    pause = None
    if kept.pause == "resumed":
        pause = Pause("resumed")
    elif kept.pause is not None and kept.until is not None and kept.until > wall_s:
        pause = Pause(kept.pause, now_s + min(kept.until - wall_s, 4 * 3600.0))
    return Wishes(pause=pause, is_finishing=kept.is_finishing)


def keep_wishes(path: Path, wishes: Wishes, now_s: float, wall_s: float) -> None:
    """Write down what has to outlive the engine. A disk that is full is named in the log, and nothing else fails."""
    kept = _Kept(is_finishing=wishes.is_finishing)
    if wishes.pause is not None and wishes.pause.length != "restart":
        until_s = wishes.pause.until_s
        kept = _Kept(
            pause=wishes.pause.length,
            until=None if until_s is None else wall_s + until_s - now_s,
            is_finishing=wishes.is_finishing,
        )
    try:
        write_private(path, kept.model_dump_json())
    except OSError as error:
        log.warning("The pause cannot be kept over a restart: %s", error.strerror or error)
