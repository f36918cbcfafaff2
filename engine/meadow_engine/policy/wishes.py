"""What the person has asked for, as one value, and how each command changes it.

Times are on the facts' clock (`Facts.now_s`), which ends with the process: whoever keeps wishes over a restart
translates them, and forgets a pause that ends with it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from .reasons import REASON_KINDS

PauseLength = Literal["30m", "1h", "4h", "restart", "resumed"]

PAUSE_SECONDS: dict[PauseLength, float] = {"30m": 1800.0, "1h": 3600.0, "4h": 14400.0}
"""The pauses that end by themselves; the others end when the engine is restarted, or only when sharing is resumed."""

ANYWAY_S = 3600.0


@dataclass(frozen=True)
class Pause:
    """Nothing is shared before `until_s`; None means that time alone does not end it."""

    length: PauseLength
    until_s: float | None = None


@dataclass(frozen=True)
class Override:
    """Share although the reason `code` holds, before `until_s`."""

    code: str
    until_s: float


@dataclass(frozen=True)
class Wishes:
    """All that the person has asked for and not taken back.

    `is_finishing`: stop after what is under way. `asked_s`: when sharing was last asked for in so many words; the
    first start after it waits neither for quiet nor for the hour's budget of loads.
    `is_chatting`: an answer of the person's own chat is being computed.
    """

    pause: Pause | None = None
    is_finishing: bool = False
    overrides: tuple[Override, ...] = ()
    asked_s: float | None = None
    is_chatting: bool = False

    def pause_left_s(self, now_s: float) -> float | None:
        """Seconds that the pause still lasts: 0 when there is none, None when time alone does not end it."""
        if self.pause is None:
            return 0.0
        return None if self.pause.until_s is None else max(0.0, self.pause.until_s - now_s)

    def overridden(self, now_s: float) -> frozenset[str]:
        """The codes of the reasons that do not count now."""
        return frozenset(override.code for override in self.overrides if now_s < override.until_s)


def pause(wishes: Wishes, length: PauseLength, now_s: float) -> Wishes:
    """Stop at once, and take back what was to be shared anyway: `meadow pause 1h`."""
    seconds = PAUSE_SECONDS.get(length)
    until_s = None if seconds is None else now_s + seconds
    return replace(wishes, pause=Pause(length, until_s), overrides=(), asked_s=None)


def finish(wishes: Wishes) -> Wishes:
    """Stop after what is under way, until resumed: `meadow drain`."""
    return replace(wishes, is_finishing=True, overrides=(), asked_s=None)


def resume(wishes: Wishes, now_s: float) -> Wishes:
    """Take back pause and finishing, and begin as soon as the rules allow: `meadow resume`."""
    return replace(wishes, pause=None, is_finishing=False, asked_s=now_s)


def after_sleep(wishes: Wishes, slept_s: float) -> Wishes:
    """The computer slept for so long, in which the facts' clock stood still: what ends by itself ends sooner on it."""
    pause = wishes.pause
    if pause is not None and pause.until_s is not None:
        pause = replace(pause, until_s=pause.until_s - slept_s)
    overrides = tuple(replace(override, until_s=override.until_s - slept_s) for override in wishes.overrides)
    return replace(wishes, pause=pause, overrides=overrides)


def share_anyway(wishes: Wishes, code: str, now_s: float, lasting_s: float = ANYWAY_S) -> Wishes:
    """Let one reason not count for an hour. A pause goes on: only `resume` ends it.

    Raises ValueError for a code that is unknown, or that stands for the person's own decision.
    """
    if code not in {kind.code for kind in REASON_KINDS if kind.can_share_anyway}:
        raise ValueError(f"`{code}` is not a reason that can be left out for a while")
    others = tuple(override for override in wishes.overrides if override.code != code and now_s < override.until_s)
    return replace(wishes, overrides=(*others, Override(code, now_s + lasting_s)), asked_s=now_s)
