"""What a conversation looks like, in words and switches: the widgets in `windows/` only draw this. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, assert_never

from meadow_desktop.chat.conversation import Answer, Conversation, Question
from meadow_desktop.phrases import as_sentence, describe_layers
from meadow_engine.api.answers import AnswerOrigin
from meadow_engine.api.errors import Problem


@dataclass(frozen=True)
class QuestionView:
    """The person's own words."""

    text: str


@dataclass(frozen=True)
class AnswerView:
    """An answer: its markdown, a line that says what is going on, what went wrong, and where it came from."""

    text: str
    is_writing: bool = False
    notice: str = ""
    problem: str = ""
    advice: str = ""
    footer: str = ""
    footer_detail: str = ""
    can_copy: bool = False
    repeat: Literal["", "regenerate", "try-again"] = ""


MessageView = QuestionView | AnswerView

# Advice for programs that write requests themselves does not help somebody in front of this window.
_TOO_LONG = "The model cannot remember more than this; go on in a new conversation (Ctrl+N)."
_ADVICE_HERE = {"context_length_exceeded": _TOO_LONG, "context-length-exceeded": _TOO_LONG}


def present_conversation(conversation: Conversation | None) -> list[MessageView]:
    """The messages of a conversation; None is one that has not begun."""
    if conversation is None:
        return []
    last = len(conversation.messages) - 1
    return [
        QuestionView(message.text) if isinstance(message, Question) else present_answer(message, is_last=place == last)
        for place, message in enumerate(conversation.messages)
    ]


def present_answer(answer: Answer, *, is_last: bool) -> AnswerView:
    """One answer in words. Only the last one of a conversation can be asked for again."""
    copyable = bool(answer.text)
    match answer.phase:
        case "asking":
            return AnswerView(answer.text, is_writing=True, notice=as_sentence(answer.notice or "Thinking…"))
        case "waiting" | "writing":
            return AnswerView(answer.text, is_writing=True, notice=as_sentence(answer.notice))
        case "complete":
            return AnswerView(
                answer.text or "*(The answer is empty.)*",
                footer=describe_origin(answer.origin),
                footer_detail=describe_chain(answer.origin),
                can_copy=copyable,
                repeat="regenerate" if is_last else "",
            )
        case "stopped":
            return AnswerView(answer.text, footer="Stopped", can_copy=copyable, repeat="regenerate" if is_last else "")
        case "failed":
            problem = answer.problem or Problem(code="failed", message="The answer failed")
            return AnswerView(
                answer.text,
                problem=as_sentence(problem.message),
                advice=as_sentence(_ADVICE_HERE.get(problem.code, problem.advice)),
                can_copy=copyable,
                repeat="try-again" if is_last else "",
            )
        case _:
            assert_never(answer.phase)


def describe_origin(origin: AnswerOrigin | None) -> str:
    """ "24.1 tokens/s · first token 0.2 s · answered by a (layers 0–2) → b (layers 3–5)"."""
    if origin is None:
        return ""
    parts = []
    if origin.tokens_per_second > 0:
        parts.append(f"{describe_rate(origin.tokens_per_second)} tokens/s")
    parts.append(f"first token {origin.first_token_s:.{1 if origin.first_token_s >= 0.1 else 2}f} s")
    if origin.chain:
        links = " → ".join(f"{link.name} ({describe_layers(link.start, link.end)})" for link in origin.chain)
        parts.append(f"answered by {links}")
    return " · ".join(parts)


def describe_chain(origin: AnswerOrigin | None) -> str:
    """One line for each engine, with its peer id; for the tooltip."""
    if origin is None:
        return ""
    return "\n".join(f"{link.name}: {describe_layers(link.start, link.end)} · {link.peer}" for link in origin.chain)


def describe_rate(per_second: float) -> str:
    """Three figures are enough for a person: 0.84, 24.1, 312."""
    if per_second >= 100:
        return f"{per_second:.0f}"
    return f"{per_second:.1f}" if per_second >= 1 else f"{per_second:.2f}"
