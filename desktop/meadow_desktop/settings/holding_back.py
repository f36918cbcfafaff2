"""Which settings stand behind a reason not to share, and what the card beside the rules says. Pure.

The codes are those of docs/sharing.md; a reason that is not known here is shown, and no rule is marked for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from meadow_desktop.engine.link_state import Connected, LinkState
from meadow_desktop.language import _
from meadow_desktop.tray.view import IconShape, present
from meadow_desktop.tray.waiting_words import describe_reason, describe_remaining
from meadow_engine.api.status import WhyNot

_BEHIND: dict[str, tuple[str, ...]] = {
    "no-consent": ("share",),
    "switched-off": ("mode",),
    "person-here": ("idle_s", "mode"),
    "presence-unknown": ("mode",),
    "full-screen": ("share_full_screen",),
    "listed-program": ("programs",),
    "gpu-busy": ("foreign_gpu_percent",),
    "gpu-memory-needed": ("memory_kept_gb",),
    "cpu-busy": ("foreign_cpu_percent",),
    "memory-needed": ("memory_kept_gb",),
    "on-battery": ("share_on_battery",),
    "too-hot": ("too_hot_c", "cool_again_c"),
    "outside-schedule": ("schedule",),
    "metered": ("share_metered",),
    "volume-used": ("monthly_volume_gb",),
    "disk-short": ("disk_kept_gb",),
    "settling": ("quiet_s",),
}


@dataclass(frozen=True)
class ReasonLine:
    """One reason: its sentence, when it may end (may be empty), and its code if it may be left out for an hour."""

    sentence: str
    ending: str = ""
    anyway_code: str = ""


@dataclass(frozen=True)
class NowView:
    """What sharing does now, and why it does nothing more."""

    shape: IconShape
    headline: str
    detail: str = ""
    lines: tuple[ReasonLine, ...] = ()
    can_pause: bool = False
    can_resume: bool = False


def present_now(state: LinkState) -> NowView:
    """The card above the rules of sharing."""
    view = present(state)
    if not isinstance(state, Connected):
        return NowView(view.shape, view.headline, view.detail)
    reasons = state.status.reasons
    may_leave_out = state.status.sharing == "waiting"
    return NowView(
        view.shape,
        view.headline,
        "" if reasons else view.detail,
        tuple(_line(reason, may_leave_out) for reason in reasons),
        view.can_pause,
        view.can_resume,
    )


def settings_behind(reasons: Sequence[WhyNot]) -> frozenset[str]:
    """Names of the settings that hold sharing back now."""
    return frozenset(name for reason in reasons for name in _BEHIND.get(reason.code, ()))


def _line(reason: WhyNot, may_leave_out: bool) -> ReasonLine:
    return ReasonLine(
        describe_reason(reason),
        "" if reason.may_end_s is None else _("May end in {time}.").format(time=describe_remaining(reason.may_end_s)),
        reason.code if may_leave_out and reason.can_share_anyway else "",
    )
