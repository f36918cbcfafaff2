"""What the OpenAI-compatible server answers, as dictionaries ready for JSON.

Beside OpenAI's members, the last chunk of a stream and a whole completion carry `meadow`: who answered, how fast, and
which computers were lost on the way.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field
from typing import Any, Literal

from meadow_client.errors import (
    ContextExceededError,
    LayersMissingError,
    MeadowError,
    ServerLostError,
    ServerRefusedError,
    UsageError,
)
from meadow_client.models.answering import End
from meadow_client.session.swarm_client import Waiting

Kind = Literal["chat", "text"]


@dataclass(frozen=True)
class ReplyWriter:
    """Writes the replies to one request, which all carry the same id and time."""

    kind: Kind
    model: str
    id: str = field(default_factory=lambda: secrets.token_hex(12))
    created: int = field(default_factory=lambda: int(time.time()))

    def whole(self, text: str, end: End) -> dict[str, Any]:
        choice: dict[str, Any] = {"index": 0, "finish_reason": end.finish_reason, "logprobs": None}
        if self.kind == "chat":
            choice["message"] = {"role": "assistant", "content": text, "refusal": None}
        else:
            choice["text"] = text
        return {**self._head(is_chunk=False), "choices": [choice], "usage": usage(end), "meadow": origin(end)}

    def first(self) -> dict[str, Any]:
        return self._chunk({"role": "assistant", "content": ""} if self.kind == "chat" else "", None)

    def piece(self, text: str) -> dict[str, Any]:
        return self._chunk({"content": text} if self.kind == "chat" else text, None)

    def waiting(self, waiting: Waiting) -> dict[str, Any]:
        return {**self._chunk({} if self.kind == "chat" else "", None), "meadow": {"waiting": f"{waiting}."}}

    def last(self, end: End) -> dict[str, Any]:
        return {**self._chunk({} if self.kind == "chat" else "", end.finish_reason), "meadow": origin(end)}

    def usage_chunk(self, end: End) -> dict[str, Any]:
        return {**self._head(is_chunk=True), "choices": [], "usage": usage(end)}

    def _chunk(self, delta: Any, finish_reason: str | None) -> dict[str, Any]:
        name = "delta" if self.kind == "chat" else "text"
        choice = {"index": 0, name: delta, "finish_reason": finish_reason, "logprobs": None}
        return {**self._head(is_chunk=True), "choices": [choice]}

    def _head(self, *, is_chunk: bool) -> dict[str, Any]:
        if self.kind == "chat":
            name, prefix = ("chat.completion.chunk" if is_chunk else "chat.completion"), "chatcmpl"
        else:
            name, prefix = "text_completion", "cmpl"
        return {"id": f"{prefix}-{self.id}", "object": name, "created": self.created, "model": self.model}


def usage(end: End) -> dict[str, Any]:
    return {
        "prompt_tokens": end.prompt_tokens,
        "completion_tokens": end.completion_tokens,
        "total_tokens": end.prompt_tokens + end.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": end.cached_tokens},
    }


def origin(end: End) -> dict[str, Any]:
    return {
        "chain": [
            {"peer": member.leg.peer, "name": member.name, "start": member.leg.start, "end": member.leg.end}
            for member in end.chain
        ],
        "tokens_per_second": round(end.tokens_per_second, 2),
        "first_token_s": round(end.first_token_s, 3),
        "recoveries": [
            {
                "lost": [member.name for member in recovery.lost],
                "instead": [member.name for member in recovery.instead],
                "seconds": round(recovery.seconds, 3),
                "is_planned": recovery.is_planned,
            }
            for recovery in end.recoveries
        ],
    }


def model_card(name: str, created: int, context_length: int) -> dict[str, Any]:
    return {
        "id": name,
        "object": "model",
        "created": created,
        "owned_by": "meadow",
        "context_length": context_length,
    }


def error_body(error: MeadowError) -> dict[str, Any]:
    """An error as OpenAI's clients read it; `message` holds sentence and advice."""
    status = error_status(error)
    text = f"{error}. {error.advice}".strip()
    kind = "invalid_request_error" if status < 500 else "server_error"
    code = error.code.replace("-", "_") if isinstance(error, ContextExceededError) else error.code
    return {
        "error": {
            "message": text,
            "sentence": f"{error}.",
            "type": kind,
            "code": code,
            "param": None,
            "advice": error.advice,
        }
    }


def error_status(error: MeadowError) -> int:
    if isinstance(error, ContextExceededError | UsageError):
        return 400
    if isinstance(error, LayersMissingError | ServerLostError | ServerRefusedError):
        return 503
    return 500
