"""What the desktop knows about the engine, as one value. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from meadow_engine.api.errors import Problem
from meadow_engine.api.status import EngineStatus


@dataclass(frozen=True)
class Searching:
    """No engine answers yet, and one is expected to: `sentence` says what is being waited for."""

    sentence: str


@dataclass(frozen=True)
class Connected:
    """An engine answers. `is_ours` when this desktop started it, so that it ends with the desktop."""

    status: EngineStatus
    is_ours: bool


@dataclass(frozen=True)
class Unreachable:
    """No engine answers and nobody knows when one will. `can_retry` when trying at once may help."""

    problem: Problem
    can_retry: bool


LinkState = Searching | Connected | Unreachable
