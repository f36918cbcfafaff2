"""What the senses know at this moment, and from whom, in words: a line of `meadow doctor`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from meadow_engine.policy.facts import Facts
from meadow_engine.senses.sense import Sense


def present_senses(facts: Facts, senses: Mapping[str, Sense[Any]]) -> str:
    """Idle time with its provider, then yes, no or unknown for the rest, and the names of the cards."""
    idle = "unknown"
    if facts.idle_s is not None:
        idle = f"{facts.idle_s:.0f} s, from {senses['idle_s'].name}"
    parts = {
        "idle": idle,
        "locked": _said(facts.is_locked),
        "full screen": _said(facts.is_full_screen),
        "on battery": _said(facts.is_on_battery),
        "metered": _said(facts.is_metered),
        "graphics cards": ", ".join(card.name for card in facts.gpus) or "none seen",
    }
    return "; ".join(f"{name}: {value}" for name, value in parts.items())


def _said(value: bool | None) -> str:
    return {True: "yes", False: "no", None: "unknown"}[value]
