"""What tray, status strip and window title say about the engine. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from textwrap import wrap
from typing import Literal, assert_never

from meadow_desktop.engine.link_state import Connected, LinkState, Searching, Unreachable
from meadow_desktop.engine_words import told
from meadow_desktop.language import _, in_figures, marked, ngettext
from meadow_desktop.phrases import as_sentence, describe_layers, short_model_name, with_end_mark
from meadow_desktop.tray.waiting_words import describe_reason, describe_remaining, describe_waiting
from meadow_engine.api.commands import PauseLength
from meadow_engine.api.status import EngineStatus

IconShape = Literal["sharing", "waiting", "paused", "off", "starting", "attention", "offline"]

PAUSES: tuple[tuple[PauseLength, str], ...] = (
    ("30m", marked("30 minutes")),
    ("1h", marked("1 hour")),
    ("4h", marked("4 hours")),
    ("restart", marked("Until Meadow is restarted")),
    ("resumed", marked("Until I resume")),
)
"""The pauses to choose from, and what they are called (translated where they are shown)."""

_TOOLTIP_WIDTH = 64  # characters
_RESUMABLE = ("paused", "finishing")


@dataclass(frozen=True)
class EngineView:
    """The engine in a volunteer's words.

    `headline` fits a menu's line, `detail` a wider strip, `notes` the line below it: what else there is to know
    (both may be empty). `is_share_checked` is the person's consent; None when nobody knows, and then the switch cannot
    be used either. `anyway_code` is the reason that may be left out for an hour, or empty. `quit_words` say what
    quitting does.
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
    quit_words: str = ""

    @property
    def can_share(self) -> bool:
        return self.is_share_checked is not None


def present(state: LinkState) -> EngineView:
    """Choose shape, words and switches."""
    return replace(_present(state), quit_words=_describe_quitting(state))


def _describe_quitting(state: LinkState) -> str:
    match state:
        case Connected(status, is_ours) if is_ours and status.sharing == "sharing":
            return _("Quit Meadow: conversations move on, and sharing ends")
        case Connected(_status, is_ours) if is_ours:
            return _("Quit Meadow: nothing is shared until you start it again")
        case Connected():
            return _("Quit this window; the engine goes on")
        case _other:
            return _("Quit Meadow")


def _present(state: LinkState) -> EngineView:
    match state:
        case Searching(sentence):
            return EngineView("starting", sentence)
        case Unreachable(problem, can_retry):
            # Where nobody can do anything about it here, it is no alarm.
            return EngineView(
                "attention" if can_retry else "offline",
                as_sentence(told(problem.message)).rstrip("."),
                as_sentence(told(problem.advice)),
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
    detail = as_sentence(told(status.sharing_detail))
    match status.sharing:
        case "sharing":
            return "sharing", _describe_share(status), _describe_help(status)
        case "off":
            return "off", _("Not sharing"), detail or _describe_swarm(status)
        case "waiting":
            code = status.reasons[0].code if status.reasons else ""
            return "waiting", describe_waiting(code), _join(_describe_beginning(status), _first_sentence(status))
        case "paused":
            return "paused", _describe_pause(status), _first_sentence(status)
        case "starting":
            return "starting", _("Starting to share…"), detail
        case "stopping":
            return "starting", _("Ending sharing…"), detail
        case "failed":
            return "attention", _("Sharing failed"), detail
        case _:
            assert_never(status.sharing)


def _first_sentence(status: EngineStatus) -> str:
    return describe_reason(status.reasons[0]) if status.reasons else as_sentence(told(status.sharing_detail))


def _describe_beginning(status: EngineStatus) -> str:
    if status.may_begin_s is None:
        return ""
    return _("Sharing may begin in {time}.").format(time=describe_remaining(status.may_begin_s))


def _describe_pause(status: EngineStatus) -> str:
    # The pause's own end: sharing may begin later, or nobody knows when, because of something else.
    left_s = status.reasons[0].may_end_s if status.reasons else status.may_begin_s
    return _("Paused") if left_s is None else _("Paused: {time} left").format(time=describe_remaining(left_s))


def _describe_notes(status: EngineStatus) -> str:
    others = [describe_reason(reason) for reason in status.reasons[1:]] if status.sharing == "waiting" else []
    also = _("Also: {reasons}").format(reasons=" ".join(others)) if others else ""
    problems = [with_end_mark(told(problem)) for problem in status.problems]
    return _join(*problems, as_sentence(told(status.advice)), also)


def _join(*sentences: str) -> str:
    return " ".join(sentence for sentence in sentences if sentence)


def _describe_share(status: EngineStatus) -> str:
    model = short_model_name(status.model)
    if status.span is None:
        return _("Sharing {model}").format(model=model)
    layers = describe_layers(status.span.start, status.span.end)
    return _("Sharing {layers} of {model}").format(layers=layers, model=model)


def _describe_help(status: EngineStatus) -> str:
    helped = (
        ngettext("{n} conversation helped now", "{n} conversations helped now", status.sessions).format(
            n=status.sessions
        )
        if status.sessions
        else _("Nobody needs help now")
    )
    tokens = ngettext("{n} token computed for others", "{n} tokens computed for others", status.tokens_served).format(
        n=in_figures(f"{status.tokens_served:,}")
    )
    return f"{helped} · {tokens} · {_describe_swarm(status)}"


def _describe_swarm(status: EngineStatus) -> str:
    if status.peers == 0:
        return _("no other computers known")
    return ngettext("{n} other computer in the swarm", "{n} other computers in the swarm", status.peers).format(
        n=status.peers
    )


def describe_for_tooltip(view: EngineView) -> str:
    """A few short lines under the pointer: a panel may show a long one across the whole screen."""
    paragraphs = (_("Meadow: {state}").format(state=view.headline), view.detail, view.notes)
    return "\n".join(line for each in paragraphs for line in wrap(each, _TOOLTIP_WIDTH, break_long_words=False))
