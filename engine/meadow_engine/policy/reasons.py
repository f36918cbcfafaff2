"""Why not to share: every reason with its code for programs and its words for people.

`docs/sharing.md` is made of these definitions (`table.py`). Braces in the texts stand for thresholds of the rules
(`rule_words`) and, in sentences, for what was seen (`{detail}`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from .rules import GB, Rules

Leaving = Literal["yield", "drain", "wait"]
"""What a reason does to sharing: ends it at once, lets what runs finish, or only keeps it from beginning."""


@dataclass(frozen=True)
class ReasonKind:
    """One reason as it is defined: `seen` and `end` are for the manual, `sentence` for the screen."""

    code: str
    leaving: Leaving
    seen: str
    sentence: str
    end: str
    can_share_anyway: bool = True


@dataclass(frozen=True)
class Reason:
    """One reason as it holds now.

    `may_end_s`: seconds until it ends if nothing else happens; None when nobody can say.
    `quiet_from_s`: since when it is quiet, on the facts' clock, where this is a use of the computer after which
    sharing waits; None for what needs no waiting afterwards. `words` are what was put into the kind's sentence.
    """

    code: str
    leaving: Leaving
    sentence: str
    may_end_s: float | None = None
    quiet_from_s: float | None = None
    words: Mapping[str, str] = field(default_factory=dict)


def because(
    kind: ReasonKind,
    rules: Rules,
    *,
    may_end_s: float | None = None,
    quiet_from_s: float | None = None,
    detail: str = "",
) -> Reason:
    """The reason of this kind, with its sentence in words."""
    known = {"detail": detail, **rule_words(rules)}
    words = {name: words for name, words in known.items() if f"{{{name}}}" in kind.sentence}
    sentence = kind.sentence.format(**words)
    return Reason(kind.code, kind.leaving, sentence, may_end_s, quiet_from_s, words)


def rule_words(rules: Rules) -> dict[str, str]:
    """The thresholds as people read them."""
    return {
        "idle": duration_words(rules.idle_s),
        "gpu_share": f"{rules.foreign_gpu:.0%}",
        "gpu_hold": duration_words(rules.foreign_gpu_s),
        "cpu_share": f"{rules.foreign_cpu:.0%}",
        "cpu_hold": duration_words(rules.foreign_cpu_s),
        "kept": size_words(rules.kept_bytes),
        "to_begin": size_words(rules.kept_bytes + rules.least_lent_bytes),
        "lent": f"{rules.lent_memory:.0%}",
        "hot": f"{rules.hot_c:g} °C",
        "cool": f"{rules.cool_c:g} °C",
        "disk": size_words(rules.least_disk_bytes),
        "quiet": duration_words(rules.quiet_s),
        "longest_quiet": duration_words(rules.longest_quiet_s),
        "flap": duration_words(rules.flap_s),
        "flaps": str(rules.flaps_before_doubling),
        "loads": str(rules.loads_per_hour),
        "drain": duration_words(rules.drain_s),
    }


def duration_words(seconds: float) -> str:
    """Such as `5 seconds`, `1 minute` or `4 hours`, in the largest unit that gives a whole number."""
    for unit, length in (("hour", 3600), ("minute", 60)):
        if seconds >= length and seconds % length == 0:
            return f"{seconds / length:g} {unit}{'' if seconds == length else 's'}"
    return f"{seconds:g} second{'' if seconds == 1 else 's'}"


def size_words(size_bytes: int) -> str:
    """Such as `1.5 GB`."""
    return f"{size_bytes / GB:.3g} GB"


PAUSED = ReasonKind(
    "paused",
    "yield",
    seen="You paused: `meadow pause 30m`, `1h`, `4h`, `restart`, or without a time",
    sentence="You paused sharing {detail}.",
    end="when the time is over, or with `meadow resume`",
    can_share_anyway=False,
)
NO_CONSENT = ReasonKind(
    "no-consent",
    "yield",
    seen="You have not agreed to share, or no longer do",
    sentence="Nothing is shared until you agree to it.",
    end="when you agree",
    can_share_anyway=False,
)
SWITCHED_OFF = ReasonKind(
    "switched-off",
    "yield",
    seen="The mode is `never`",
    sentence="Sharing is switched off. To share, choose the mode “when idle” or “always”.",
    end="when you choose another mode",
    can_share_anyway=False,
)
FINISHING = ReasonKind(
    "finishing",
    "drain",
    seen="You asked to finish and stop: `meadow drain`",
    sentence="You asked Meadow to finish what is under way and to stop.",
    end="with `meadow resume`",
    can_share_anyway=False,
)
PERSON_HERE = ReasonKind(
    "person-here",
    "yield",
    seen="A key, a click or a movement within the last {idle}",
    sentence="You are using this computer. Sharing waits until you have been away for {idle}.",
    end="{idle} after the last key, click or movement",
)
PRESENCE_UNKNOWN = ReasonKind(
    "presence-unknown",
    "yield",
    seen="This system does not tell when it was last used, and its screen has not been locked for {idle}",
    sentence=(
        "Meadow cannot tell whether you are at this computer, so it takes you to be there. Lock the screen when you"
        " leave, or choose the mode “always”; `meadow doctor` says what is missing."
    ),
    end="{idle} after the screen was locked, or when the system tells",
)
FULL_SCREEN = ReasonKind(
    "full-screen",
    "yield",
    seen="A program fills the screen: a game, a film, a talk",
    sentence="A program fills the screen.",
    end="{quiet} after it has left the full screen",
)
LISTED_PROGRAM = ReasonKind(
    "listed-program",
    "yield",
    seen="A program of your list runs",
    sentence="{detail} is running, which is on your list of programs that come first.",
    end="{quiet} after it has ended",
)
GPU_BUSY = ReasonKind(
    "gpu-busy",
    "yield",
    seen="Other programs keep the graphics card busy, over {gpu_share} for {gpu_hold}",
    sentence="Another program is using the graphics card{detail}.",
    end="{quiet} after the last of it",
)
GPU_MEMORY_NEEDED = ReasonKind(
    "gpu-memory-needed",
    "yield",
    seen="Less than {kept} of the graphics card's memory is free (to begin: less than {to_begin})",
    sentence="Other programs need the graphics card's memory{detail}.",
    end="{quiet} after enough is free",
)
GPU_GONE = ReasonKind(
    "gpu-gone",
    "yield",
    seen="A graphics card that was there is no longer reported",
    sentence="The graphics card no longer answers. If you took it out, start Meadow again.",
    end="{quiet} after it is back",
)
CPU_BUSY = ReasonKind(
    "cpu-busy",
    "yield",
    seen="Where Meadow computes on the processor: other programs use over {cpu_share} of it for {cpu_hold}",
    sentence="Other programs are using the processor.",
    end="{quiet} after the last of it",
)
MEMORY_NEEDED = ReasonKind(
    "memory-needed",
    "yield",
    seen="Where Meadow computes on the processor: less than {kept} of memory is free (to begin: less than {to_begin})",
    sentence="Other programs need the memory.",
    end="{quiet} after enough is free",
)
ON_BATTERY = ReasonKind(
    "on-battery",
    "yield",
    seen="The computer runs on its battery",
    sentence="The computer runs on its battery.",
    end="{quiet} after it is plugged in",
)
TOO_HOT = ReasonKind(
    "too-hot",
    "yield",
    seen="The graphics card (or the processor, where Meadow computes on it) is hotter than {hot}",
    sentence="The computer is too hot: {detail}. Sharing waits until it is below {cool}.",
    end="{quiet} after it is below {cool}",
)
OUTSIDE_SCHEDULE = ReasonKind(
    "outside-schedule",
    "drain",
    seen="You set hours for sharing, and it is not one of them",
    sentence="This is not one of the hours that you set for sharing.",
    end="when the next of your hours begins",
)
METERED = ReasonKind(
    "metered",
    "drain",
    seen="The network is metered: its traffic may cost you money",
    sentence="The network is metered.",
    end="{quiet} after another network is used",
)
DISK_SHORT = ReasonKind(
    "disk-short",
    "drain",
    seen="Less than {disk} of disk space is free",
    sentence="Less than {disk} of disk space is free.",
    end="{quiet} after there is more",
)
VOLUME_USED = ReasonKind(
    "volume-used",
    "drain",
    seen="You set a monthly volume, and it has been sent and received for others",
    sentence="This month's volume for others is used up.",
    end="when the next calendar month begins",
)
OWN_CHAT = ReasonKind(
    "own-chat",
    "wait",
    seen="An answer of your own chat is being written",
    sentence="Your own chat comes first: sharing begins after its answer.",
    end="with the answer",
)
SETTLING = ReasonKind(
    "settling",
    "wait",
    seen="One of the uses above has ended less than {quiet} ago (longer after {flaps} short sharings, see below)",
    sentence="The computer was in use a moment ago. Sharing waits until it has been quiet for {detail}.",
    end="when it has been quiet for so long, or with `meadow resume`",
)
RESTING = ReasonKind(
    "resting",
    "wait",
    seen="Sharing has begun {loads} times within the last hour",
    sentence="Sharing has begun {loads} times within an hour, which is enough. It rests.",
    end="an hour after the first of them, or with `meadow resume`",
)

REASON_KINDS = (
    PAUSED,
    NO_CONSENT,
    SWITCHED_OFF,
    FINISHING,
    PERSON_HERE,
    PRESENCE_UNKNOWN,
    FULL_SCREEN,
    LISTED_PROGRAM,
    GPU_BUSY,
    GPU_MEMORY_NEEDED,
    GPU_GONE,
    CPU_BUSY,
    MEMORY_NEEDED,
    ON_BATTERY,
    TOO_HOT,
    OUTSIDE_SCHEDULE,
    METERED,
    DISK_SHORT,
    VOLUME_USED,
    OWN_CHAT,
    SETTLING,
    RESTING,
)
"""Every reason, the most telling first: where several hold, the first one is shown."""
