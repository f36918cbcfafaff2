"""A model that says what a test gives it, one token for each letter, as Transformers' `generate` would."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import CancelledError
from types import SimpleNamespace
from typing import Any

import torch

from meadow_client.models.answering import Answerer, End, Piece, Question
from meadow_client.session.swarm_client import Waiting
from meadow_client.session.upkeep import Recovery

CONTEXT = 128
LONG = list(range(200, 240))
END_TOKEN = ord(".")


class Letters:
    """A tokenizer with one token for each letter."""

    chat_template: str | None = None

    def __call__(self, text: str) -> dict[str, list[int]]:
        return {"input_ids": [ord(letter) for letter in text]}

    def decode(self, ids: list[int], **_options: Any) -> str:
        return "".join(chr(token) for token in ids if token != END_TOKEN)


class FakeSession:
    def __init__(self, max_length: int, on_waiting: Callable[[Waiting], None]) -> None:
        self.max_length = max_length
        self.on_waiting = on_waiting
        self.members: list[Any] = []
        self.recoveries: list[Recovery] = []
        self.tokens: torch.Tensor | None = None
        self.position = 0
        self.is_cancelled = threading.Event()
        self.is_closed = threading.Event()

    def hold(self, ids: torch.Tensor) -> None:
        """All but the last token, as a session does that `generate` has used."""
        self.tokens, self.position = ids[:, :-1], ids.shape[1] - 1

    def cancel(self) -> None:
        self.is_cancelled.set()

    def close(self) -> None:
        self.is_closed.set()


class FakeModel:
    """Says `text`, `at_once` tokens in each step, as Transformers' generate would.

    Then it raises `fails_with`; endless, it goes on without a word until it is stopped; hanging, until it is cancelled;
    a silent one does so before its first token. A muddled one leaves sessions that are not certain what they know.
    """

    device = torch.device("cpu")

    def __init__(self) -> None:
        self.text = "Hello."
        self.fails_with: Exception | None = None
        self.waits_for: Waiting | None = None
        self.is_endless = False
        self.is_silent = False
        self.is_hanging = False
        self.is_muddled = False
        self.loses: list[Recovery] = []
        self.at_once = 1
        self.sessions: list[FakeSession] = []
        self.began: list[FakeSession] = []
        self.generation_config = SimpleNamespace(eos_token_id=END_TOKEN, do_sample=False)
        self.remote = SimpleNamespace(inference_session=self._open)
        self.asked: dict[str, Any] = {}

    def talk_on(self) -> None:
        """Come to no end."""
        self.text, self.is_endless = "Hello", True

    def _open(self, max_length: int, on_waiting: Callable[[Waiting], None]) -> FakeSession:
        self.sessions.append(FakeSession(max_length, on_waiting))
        return self.sessions[-1]

    def generate(self, ids: torch.Tensor, *, session: FakeSession, streamer: Any, **asked: Any) -> torch.Tensor:
        self.asked = asked
        if self.waits_for is not None:
            session.on_waiting(self.waits_for)
        streamer.put(ids)
        self.began.append(session)
        if self.is_silent:
            session.is_cancelled.wait()
            raise CancelledError
        session.recoveries += self.loses
        for first in range(0, min(len(self.text), asked["max_new_tokens"]), self.at_once):
            tokens = torch.tensor([ord(letter) for letter in self.text[first : first + self.at_once]])
            ids = torch.cat([ids, tokens[None]], dim=1)
            streamer.put(tokens if self.at_once == 1 else tokens[None])
            if bool(asked["stopping_criteria"](ids, None).all()):
                break
        session.hold(ids)
        streamer.end()
        if self.fails_with is not None:
            raise self.fails_with
        if self.is_hanging:
            session.is_cancelled.wait()
        while self.is_endless and not bool(asked["stopping_criteria"](ids, None).all()):
            if session.is_cancelled.wait(0.01):
                break
        if session.is_cancelled.is_set():
            raise CancelledError
        if self.is_muddled:
            session.position -= 1
        return ids


async def ask(answerer: Answerer, **question: Any) -> tuple[str, End]:
    text = ""
    async for event in answerer.answer(Question(**{"ids": [1, 2, 3], **question})):
        if isinstance(event, Piece):
            text += event.text
        elif isinstance(event, End):
            return text, event
    raise AssertionError("an answer ended without its end")
