"""Why sharing waits and for how long, short enough for a menu's line. Pure.

The codes are those of docs/sharing.md, where each has its whole story; an engine that is newer may know more of them.
"""

from __future__ import annotations

import math
import re

from meadow_desktop.language import _, in_figures, marked, ngettext
from meadow_engine.api.status import WhyNot

_DURATION = re.compile(r"(\d+(?:\.\d+)?) (second|minute|hour)s?")

_IN_SHORT = {
    "person-here": marked("you are here"),
    "presence-unknown": marked("you may be here"),
    "full-screen": marked("a program fills the screen"),
    "listed-program": marked("a program of your list runs"),
    "gpu-busy": marked("the graphics card is in use"),
    "gpu-memory-needed": marked("the graphics memory is needed"),
    "gpu-gone": marked("the graphics card is gone"),
    "cpu-busy": marked("the processor is in use"),
    "memory-needed": marked("the memory is needed"),
    "on-battery": marked("running on battery"),
    "too-hot": marked("the computer is too hot"),
    "outside-schedule": marked("outside your hours"),
    "metered": marked("the network is metered"),
    "volume-used": marked("this month's volume is used up"),
    "disk-short": marked("the disk is nearly full"),
    "own-chat": marked("your own chat comes first"),
    "settling": marked("the computer was just in use"),
    "resting": marked("a rest between sharings"),
}

_PAUSED = (marked("for a while"), marked("until Meadow is started again"), marked("until you resume it"))


def describe_waiting(code: str) -> str:
    """ "Waiting: you are here"; only "Waiting" for a code that is not known here."""
    short = _IN_SHORT.get(code)
    return _("Waiting: {reason}").format(reason=_(short)) if short else _("Waiting")


def describe_remaining(seconds: float) -> str:
    """Time to come, rounded up to minutes: "less than a minute", "3 minutes", "1 hour 30 minutes"."""
    if seconds < 60:
        return _("less than a minute")
    hours, minutes = divmod(math.ceil(seconds / 60), 60)
    parts = [ngettext("{n} hour", "{n} hours", hours).format(n=hours)] if hours else []
    parts += [ngettext("{n} minute", "{n} minutes", minutes).format(n=minutes)] if minutes else []
    return " ".join(parts)


def describe_reason(reason: WhyNot) -> str:
    """The reason's sentence, in the language of this program where its words are known here."""
    if not reason.template:
        return reason.sentence
    try:
        return _(reason.template).format(**{name: _amount(word) for name, word in reason.words.items()})
    except (KeyError, IndexError, ValueError):  # a translation that names what the engine does not
        return reason.sentence


def _amount(words: str) -> str:
    """What the engine says of durations, such as "3 minutes", in the language of this program."""
    if words in _PAUSED:
        return _(words)
    found = _DURATION.fullmatch(words)
    if found is None:
        return words
    number, unit = found.groups()
    # The plural's form depends on a whole number; 1.5 hours are as many as two.
    whole = int(number) if number.isdigit() else 2
    match unit:
        case "second":
            form = ngettext("{n} second", "{n} seconds", whole)
        case "minute":
            form = ngettext("{n} minute", "{n} minutes", whole)
        case _unit:
            form = ngettext("{n} hour", "{n} hours", whole)
    return form.format(n=in_figures(number))
