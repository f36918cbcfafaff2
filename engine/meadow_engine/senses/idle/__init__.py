"""How long nobody has used this computer's keyboard or pointer, and whether its screen is locked.

One file for each system that can tell; `choose.py` finds out which of them tells here. Idle seconds are seconds since
the last key, click or movement of the person. A provider that cannot know says None; where it guesses, it guesses that
somebody is there.
"""

from __future__ import annotations

from typing import Protocol

from meadow_engine.senses.sense import Sense

READING_LIMIT_S = 0.5
"""A reading that takes longer is given up: whoever was asked hangs."""

NOTICED_AFTER_S = 1.0
"""Quiet that long, and the next input counts as the person's return. Below that, event-driven providers say 0."""


class IdleSense(Sense[float], Protocol):
    """Seconds without input, and whether the person's return is told without asking."""

    @property
    def tells_return(self) -> bool:
        """Whether the `on_active` given to this provider is called, within milliseconds, when input comes again."""
        ...


def ignore_return() -> None:
    """Stand for an `on_active` that nobody needs."""
