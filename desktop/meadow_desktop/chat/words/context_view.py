"""The meter that shows how much of what the model can hold is taken. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from meadow_desktop.chat.context import ContextUse
from meadow_desktop.language import _, in_figures, ngettext

_NEARLY_FULL = 0.8


@dataclass(frozen=True)
class ContextView:
    """`share` is from 0 to 1, or None while nobody knows how much the model can hold; `text` is short, or empty."""

    text: str
    share: float | None
    level: Literal["calm", "near", "full"]
    detail: str


def present_context(use: ContextUse, *, leaves_out_oldest: bool) -> ContextView:
    """The meter's words; a figure with ≈ is an estimate."""
    tokens = in_figures(f"{use.used_tokens:,}")
    used = f"≈ {tokens}" if use.is_estimate else tokens
    if use.limit_tokens is None:
        if not use.used_tokens:
            return ContextView("", None, "calm", "")
        return ContextView(
            _("{used} tokens").format(used=used), None, "calm", _("How much the model can hold is not known yet.")
        )
    share = min(use.used_tokens / max(use.limit_tokens, 1), 1.0)
    level: Literal["calm", "near", "full"] = "calm" if share < _NEARLY_FULL else "near" if share < 1 else "full"
    text = _("{used} of {limit} tokens").format(used=used, limit=in_figures(f"{use.limit_tokens:,}"))
    return ContextView(text, share, level, _detail(use, level, leaves_out_oldest=leaves_out_oldest))


def _detail(use: ContextUse, level: str, *, leaves_out_oldest: bool) -> str:
    if use.left_out:
        return ngettext(
            "The model could not hold everything: the oldest message was left out of the last question.",
            "The model could not hold everything: the {n} oldest messages were left out of the last question.",
            use.left_out,
        ).format(n=use.left_out)
    if level == "calm":
        return _("So much of what the model can hold is taken by this conversation.")
    if leaves_out_oldest:
        return _("Soon the oldest messages are left out, so that the conversation can go on.")
    return _("Soon the model cannot hold this conversation; begin a new one, or let the oldest messages be left out.")
