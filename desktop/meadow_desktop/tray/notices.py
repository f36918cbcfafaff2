"""When to interrupt the person: only for what needs them, once, and never while they look at the window. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from meadow_desktop.tray.view import EngineView

QUIET_S = 3600.0


@dataclass(frozen=True)
class Notice:
    """What to say."""

    headline: str
    detail: str


@dataclass(frozen=True)
class NoticeMemory:
    """What was said last, and when it may be said again (on the caller's clock)."""

    said: str = ""
    quiet_until_s: float = 0.0


def decide_notice(
    memory: NoticeMemory, view: EngineView, now_s: float, *, is_window_seen: bool
) -> tuple[NoticeMemory, Notice | None]:
    """What to say of the engine's present state, and what to remember. The same words come once an hour at most."""
    if view.shape != "attention":
        return memory, None
    if view.headline == memory.said and now_s < memory.quiet_until_s:
        return memory, None
    memory = NoticeMemory(view.headline, now_s + QUIET_S)
    return memory, None if is_window_seen else Notice(view.headline, view.detail)
