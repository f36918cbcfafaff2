"""What tray, status strip and window title say about the engine. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, assert_never

from meadow_desktop.engine.link_state import Connected, LinkState, Searching, Unreachable
from meadow_desktop.phrases import as_sentence, count, describe_layers, short_model_name
from meadow_engine.api.status import EngineStatus

IconShape = Literal["sharing", "off", "starting", "attention"]


@dataclass(frozen=True)
class EngineView:
    """The engine in a volunteer's words.

    `headline` fits a menu's line, `detail` a wider strip (may be empty). `is_share_checked` is None when nobody
    knows, and then the switch cannot be used either.
    """

    shape: IconShape
    headline: str
    detail: str = ""
    is_share_checked: bool | None = None
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
    detail = as_sentence(status.sharing_detail)
    match status.sharing:
        case "sharing":
            return EngineView("sharing", _describe_share(status), _describe_help(status), is_share_checked=True)
        case "off":
            return EngineView("off", "Not sharing", detail or _describe_swarm(status), is_share_checked=False)
        case "starting":
            return EngineView("starting", "Starting to share…", detail, is_share_checked=True)
        case "stopping":
            return EngineView("starting", "Ending sharing…", detail, is_share_checked=False)
        case "failed":
            return EngineView("attention", "Sharing failed", detail, is_share_checked=False)
        case _:
            assert_never(status.sharing)


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
    """Two short lines under the pointer."""
    return "Meadow: " + view.headline + (f"\n{view.detail}" if view.detail else "")
