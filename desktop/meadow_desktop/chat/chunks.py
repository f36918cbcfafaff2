"""Reads what `/v1/chat/completions` sends: chunks of a stream, and error bodies. Pure.

Everything here comes from another process and may be anything: what cannot be understood becomes a failure that a
person can read, never an exception.
"""

from __future__ import annotations

import json
from typing import Any

from pydantic import ValidationError

from meadow_desktop.chat.answering import (
    AnswerEnded,
    AnswerEvent,
    AnswerFailed,
    LimitReached,
    OriginArrived,
    TextArrived,
    UsageArrived,
    WaitAnnounced,
)
from meadow_desktop.chat.conversation import Usage
from meadow_desktop.language import _, marked
from meadow_engine.api.answers import AnswerOrigin, Waiting
from meadow_engine.api.errors import Problem

DONE = "[DONE]"

_UNREADABLE = Problem(
    code="answer-unreadable",
    message=marked("The engine sent something that this window does not understand"),
    advice=marked("The engine and this window may be of different versions; update Meadow."),
)


def read_chunk(data: str) -> list[AnswerEvent]:
    """What one `data:` line of the stream means."""
    if data.strip() == DONE:
        return [AnswerEnded()]
    try:
        chunk = json.loads(data)
    except ValueError:
        return [AnswerFailed(_UNREADABLE)]
    if not isinstance(chunk, dict):
        return [AnswerFailed(_UNREADABLE)]
    if "error" in chunk:
        return [AnswerFailed(read_problem(chunk, fallback=_UNREADABLE))]
    events: list[AnswerEvent] = []
    text = _text_of(chunk)
    if text:
        events.append(TextArrived(text))
    if _finish_reason_of(chunk) == "length":
        events.append(LimitReached())
    ours = _read_meadow(chunk.get("meadow"))
    if ours is not None:
        events.append(ours)
    usage = _read_usage(chunk.get("usage"))
    if usage is not None:
        events.append(UsageArrived(usage))
    return events


def read_problem(body: Any, fallback: Problem) -> Problem:
    """A problem out of OpenAI's `{"error": {...}}`, the control API's `Problem`, or neither (`fallback`)."""
    if not isinstance(body, dict):
        return fallback
    inner = body.get("error", body)
    if isinstance(inner, str):
        return Problem(code=fallback.code, message=inner, advice="")
    if not isinstance(inner, dict) or not isinstance(inner.get("message"), str):
        return fallback
    code, advice, sentence = inner.get("code"), inner.get("advice"), inner.get("sentence")
    return Problem(
        code=code if isinstance(code, str) else fallback.code,
        message=sentence if isinstance(sentence, str) else inner["message"],  # Meadow's message holds the advice, too
        advice=advice if isinstance(advice, str) else "",
    )


def read_error_body(body: bytes, status: int) -> Problem:
    """The problem in an answer with an HTTP status of 400 or above."""
    fallback = Problem(
        code=f"http-{status}",
        message=_("The engine refused the question (HTTP {status})").format(status=status),
        advice=_("Try again; if it stays so, look into engine.log."),
    )
    try:
        return read_problem(json.loads(body), fallback)
    except ValueError:
        return fallback


def _choice_of(chunk: dict[str, Any]) -> dict[str, Any]:
    choices = chunk.get("choices")
    return choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}


def _finish_reason_of(chunk: dict[str, Any]) -> Any:
    return _choice_of(chunk).get("finish_reason")


def _text_of(chunk: dict[str, Any]) -> str:
    delta = _choice_of(chunk).get("delta")
    content = delta.get("content") if isinstance(delta, dict) else None
    return content if isinstance(content, str) else ""


def _read_meadow(value: Any) -> AnswerEvent | None:
    if not isinstance(value, dict):
        return None
    try:
        if "waiting" in value:
            return WaitAnnounced(Waiting.model_validate(value).waiting)
        return OriginArrived(AnswerOrigin.model_validate(value))
    except ValidationError:
        return None  # a member of a later version; the answer's text is what matters


def _read_usage(value: Any) -> Usage | None:
    try:
        return Usage.model_validate(value) if isinstance(value, dict) else None
    except ValidationError:
        return None
