"""Why sharing waits and for how long, short enough for a menu's line. Pure.

The codes are those of docs/sharing.md, where each has its whole story; an engine that is newer may know more of them.
"""

from __future__ import annotations

import math

from meadow_desktop.phrases import count

_IN_SHORT = {
    "person-here": "you are here",
    "presence-unknown": "you may be here",
    "full-screen": "a program fills the screen",
    "listed-program": "a program of your list runs",
    "gpu-busy": "the graphics card is in use",
    "gpu-memory-needed": "the graphics memory is needed",
    "gpu-gone": "the graphics card is gone",
    "cpu-busy": "the processor is in use",
    "memory-needed": "the memory is needed",
    "on-battery": "running on battery",
    "too-hot": "the computer is too hot",
    "outside-schedule": "outside your hours",
    "metered": "the network is metered",
    "volume-used": "this month's volume is used up",
    "disk-short": "the disk is nearly full",
    "own-chat": "your own chat comes first",
    "settling": "the computer was just in use",
    "resting": "a rest between sharings",
}


def describe_waiting(code: str) -> str:
    """ "Waiting: you are here"; only "Waiting" for a code that is not known here."""
    short = _IN_SHORT.get(code)
    return f"Waiting: {short}" if short else "Waiting"


def describe_remaining(seconds: float) -> str:
    """Time to come, rounded up to minutes: "less than a minute", "3 minutes", "1 hour 30 minutes"."""
    if seconds < 60:
        return "less than a minute"
    hours, minutes = divmod(math.ceil(seconds / 60), 60)
    parts = [count(hours, "hour", "hours")] if hours else []
    parts += [count(minutes, "minute", "minutes")] if minutes else []
    return " ".join(parts)
