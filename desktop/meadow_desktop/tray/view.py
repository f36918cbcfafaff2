"""What tray, status strip and window title say about the engine. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, assert_never

from meadow_desktop.engine.link_state import Connected, LinkState, Searching, Unreachable
from meadow_desktop.phrases import as_sentence, count, describe_layers, short_model_name, with_end_mark
from meadow_desktop.tray.waiting_words import describe_remaining, describe_waiting
from meadow_engine.api.commands import PauseLength
from meadow_engine.api.status import EngineStatus

IconShape = Literal["sharing", "off", "starting", "attention"]

PAUSES: tuple[tuple[PauseLength, str], ...] = (
    ("30m", "30 minutes"),
    ("1h", "1 hour"),
    ("4h", "4 hours"),
    ("restart", "Until Meadow is restarted"),
    ("resumed", "Until I resume"),
)
"""The pauses to choose from, and what they are called."""

_RESUMABLE = ("paused", "finishing")


@dataclass(frozen=True)
class EngineView:
    """The engine in a volunteer's words.

    `headline` fits a menu's line, `detail` a wider strip, `notes` the line below it: what else there is to know
    (both may be empty). `is_share_checked` is the person's consent; None when nobody knows, and then the switch cannot
    be used either. `anyway_code` is the reason that may be left out for an hour, or empty.
    """

    shape: IconShape
    headline: str
    detail: str = ""
    notes: str = ""
    is_share_checked: bool | None = None
    can_pause: bool = False
    can_resume: bool = False
    anyway_code: str = ""
    can_retry: bool = False

    @property
    def can_share(self) -> bool:
        return self.is_share_checked is not None


def present(state: LinkState) -> EngineView:
    """Choose shape, words and switches."""
    match state:
        case Searching(sentence):
            return EngineView("starting", sentence)
        case Unreachable(problem, can_retry):
            return EngineView(
                "attention",
                as_sentence(problem.message).rstrip("."),
                as_sentence(problem.advice),
                can_retry=can_retry,
            )
        case Connected(status):
            return _present_status(status)
        case _:
            assert_never(state)


def _present_status(status: EngineStatus) -> EngineView:
    shape, headline, detail = _describe_state(status)
    first = status.reasons[0] if status.reasons else None
    can_resume = status.sharing == "paused" or (first is not None and first.code in _RESUMABLE)
    may_leave_out = status.sharing == "waiting" and first is not None and first.can_share_anyway
    return EngineView(
        shape,
        headline,
        detail,
        _describe_notes(status),
        is_share_checked=status.is_sharing_allowed,
        can_pause=status.is_sharing_allowed and not can_resume,
        can_resume=can_resume,
        anyway_code=first.code if first is not None and may_leave_out else "",
    )


def _describe_state(status: EngineStatus) -> tuple[IconShape, str, str]:
    """Shape, headline and detail."""
    detail = as_sentence(status.sharing_detail)
    match status.sharing:
        case "sharing":
            return "sharing", _describe_share(status), _describe_help(status)
        case "off":
            return "off", "Not sharing", detail or _describe_swarm(status)
        case "waiting":
            code = status.reasons[0].code if status.reasons else ""
            return "off", describe_waiting(code), _join(_describe_beginning(status), _first_sentence(status))
        case "paused":
            return "off", _describe_pause(status), _first_sentence(status)
        case "starting":
            return "starting", "Starting to share…", detail
        case "stopping":
            return "starting", "Ending sharing…", detail
        case "failed":
            return "attention", "Sharing failed", detail
        case _:
            assert_never(status.sharing)


def _first_sentence(status: EngineStatus) -> str:
    return status.reasons[0].sentence if status.reasons else as_sentence(status.sharing_detail)


def _describe_beginning(status: EngineStatus) -> str:
    if status.may_begin_s is None:
        return ""
    return f"Sharing may begin in {describe_remaining(status.may_begin_s)}."


def _describe_pause(status: EngineStatus) -> str:
    # The pause's own end: sharing may begin later, or nobody knows when, because of something else.
    left_s = status.reasons[0].may_end_s if status.reasons else status.may_begin_s
    return "Paused" if left_s is None else f"Paused: {describe_remaining(left_s)} left"


def _describe_notes(status: EngineStatus) -> str:
    others = [reason.sentence for reason in status.reasons[1:]] if status.sharing == "waiting" else []
    also = f"Also: {' '.join(others)}" if others else ""
    return _join(*map(with_end_mark, status.problems), as_sentence(status.advice), also)


def _join(*sentences: str) -> str:
    return " ".join(sentence for sentence in sentences if sentence)


def _describe_share(status: EngineStatus) -> str:
    model = short_model_name(status.model)
    if status.span is None:
        return f"Sharing {model}"
    return f"Sharing {describe_layers(status.span.start, status.span.end)} of {model}"


def _describe_help(status: EngineStatus) -> str:
    helped = (
        f"{count(status.sessions, 'conversation', 'conversations')} helped now"
        if status.sessions
        else "Nobody needs help now"
    )
    return f"{helped} · {status.tokens_served:,} tokens computed for others · {_describe_swarm(status)}"


def _describe_swarm(status: EngineStatus) -> str:
    if status.peers == 0:
        return "no other computers known"
    return f"{count(status.peers, 'other computer', 'other computers')} in the swarm"


def describe_for_tooltip(view: EngineView) -> str:
    """A few lines under the pointer."""
    return "\n".join(line for line in (f"Meadow: {view.headline}", view.detail, view.notes) if line)
