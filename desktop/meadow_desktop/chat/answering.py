"""How an answer goes on when something arrives from the gateway, or does not. Pure.

asking ──► waiting ──► writing ──► complete
   │          │           │
   └──────────┴───────────┴──────► stopped, failed
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from meadow_desktop.chat.conversation import Answer, Usage
from meadow_desktop.language import marked
from meadow_engine.api.answers import AnswerOrigin
from meadow_engine.api.errors import Problem


@dataclass(frozen=True)
class TextArrived:
    """The next piece of the answer."""

    text: str


@dataclass(frozen=True)
class WaitAnnounced:
    """The answer has not begun; the sentence says why."""

    sentence: str


@dataclass(frozen=True)
class OriginArrived:
    """Who computed the answer."""

    origin: AnswerOrigin


@dataclass(frozen=True)
class UsageArrived:
    """How many tokens the question and the answer took."""

    usage: Usage


@dataclass(frozen=True)
class LimitReached:
    """The model would have gone on, but no more tokens were allowed."""


@dataclass(frozen=True)
class AnswerEnded:
    """The gateway said that the answer is whole."""


@dataclass(frozen=True)
class AnswerFailed:
    """No more will come, and the answer is not whole."""

    problem: Problem


@dataclass(frozen=True)
class StopAsked:
    """The person does not want more."""


AnswerEvent = (
    TextArrived | WaitAnnounced | OriginArrived | UsageArrived | LimitReached | AnswerEnded | AnswerFailed | StopAsked
)

ENGINE_LOST = Problem(
    code="engine-lost",
    message=marked("The engine stopped in the middle of the answer"),
    advice=marked("Try again as soon as it is back."),
)
ENGINE_SILENT = Problem(
    code="engine-absent",
    message=marked("The engine does not answer"),
    advice=marked("Try again as soon as it runs."),
)


def advance(answer: Answer, event: AnswerEvent) -> Answer:
    """The answer after the event. What arrives after the end changes nothing."""
    if answer.is_final:
        return answer
    match event:
        case TextArrived(text):
            if not text:
                return answer
            return answer.model_copy(update={"phase": "writing", "notice": "", "text": answer.text + text})
        case WaitAnnounced(sentence):
            if answer.phase == "writing":  # a server was lost and its layers are sought again
                return answer.model_copy(update={"notice": sentence})
            return answer.model_copy(update={"phase": "waiting", "notice": sentence})
        case OriginArrived(origin):
            return answer.model_copy(update={"origin": origin})
        case UsageArrived(usage):
            return answer.model_copy(update={"usage": usage})
        case LimitReached():
            return answer.model_copy(update={"is_cut": True})
        case AnswerEnded():
            return answer.model_copy(update={"phase": "complete", "notice": ""})
        case AnswerFailed(problem):
            return answer.model_copy(update={"phase": "failed", "notice": "", "problem": problem})
        case StopAsked():
            return answer.model_copy(update={"phase": "stopped", "notice": ""})
        case _:
            assert_never(event)
