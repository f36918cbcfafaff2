"""All senses of this computer together: what they say becomes one value, `Facts`.

Runs on the event loop. Every fact is asked for when the last answer is older than its period, all that are due at the
same time; in between, the last answer stands. A sense that is late or fails says None, and nobody waits for it twice.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from meadow_engine.policy.facts import Facts
from meadow_engine.senses.sense import Sense

_LIMIT_S = 1.5

PERIODS_S: Mapping[str, float] = {
    "idle_s": 0.0,
    "is_locked": 1.0,
    "gpus": 1.0,
    "foreign_cpu": 1.0,
    "is_full_screen": 1.0,
    "programs": 2.0,
    "is_on_battery": 5.0,
    "is_metered": 10.0,
    "cpu_temperature_c": 5.0,
    "free_memory_bytes": 1.0,
    "free_disk_bytes": 60.0,
}
"""How old each member of `Facts` may be, in seconds; 0: asked for every time."""

_UNKNOWN: Mapping[str, Any] = {"gpus": (), "programs": ()}

log = logging.getLogger(__name__)


@dataclass
class _Kept:
    """The last answer of a sense."""

    sense: Sense[Any]
    period_s: float
    asked_s: float = float("-inf")
    value: Any = None
    is_silent: bool = False


@dataclass
class Senses:
    """`senses` has one provider for each member of `Facts` that can be known here; `clock` and `now` are the times."""

    senses: Mapping[str, Sense[Any]]
    clock: Callable[[], float]
    now: Callable[[], datetime] = datetime.now
    unasked: Callable[[], frozenset[str]] = frozenset
    """Members that do not matter now: nobody is asked for them."""
    _kept: dict[str, _Kept] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._kept = {name: _Kept(sense, PERIODS_S[name]) for name, sense in self.senses.items()}

    async def read(self) -> Facts:
        """What is known now; takes as long as the slowest sense that is due, and at most a second and a half."""
        asked_s, unasked = self.clock(), self.unasked()
        due = [
            (name, kept)
            for name, kept in self._kept.items()
            if name not in unasked and asked_s - kept.asked_s >= kept.period_s
        ]
        await asyncio.gather(*(self._ask(name, kept, asked_s) for name, kept in due))
        values = {
            name: kept.value for name, kept in self._kept.items() if name not in unasked and kept.value is not None
        }
        return Facts(now_s=self.clock(), week_minute=week_minute(self.now()), **{**_UNKNOWN, **values})

    async def aclose(self) -> None:
        for kept in self._kept.values():
            try:
                async with asyncio.timeout(_LIMIT_S):
                    await kept.sense.aclose()
            except Exception:
                log.exception("The sense %s did not close", kept.sense.name)

    async def _ask(self, name: str, kept: _Kept, asked_s: float) -> None:
        kept.asked_s = asked_s
        try:
            async with asyncio.timeout(_LIMIT_S):
                kept.value = await kept.sense.read()
            kept.is_silent = False
        except Exception as error:  # noqa: BLE001 - one sense that is broken must not blind the others
            kept.value = None
            if not kept.is_silent:
                log.warning("Nothing is known about %s: %s failed (%s)", name, kept.sense.name, type(error).__name__)
            kept.is_silent = True


def week_minute(now: datetime) -> int:
    """Minutes of the local week since Monday 0:00."""
    return (now.weekday() * 24 + now.hour) * 60 + now.minute
