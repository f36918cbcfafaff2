"""The OpenAI-compatible server with an answerer that says what the test tells it to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from meadow_client.errors import ContextExceededError, MeadowError
from meadow_client.gateway.app import create_router, handle_errors
from meadow_client.gateway.askable import OnlyModel
from meadow_client.gateway.security import LocalOnly
from meadow_client.models.answering import AnswerEvent, End, Piece, Question
from meadow_client.models.sampling import Sampling
from meadow_client.routing.chains import Leg
from meadow_client.session.chain import Member
from meadow_client.session.upkeep import Recovery

KEY = "key-of-the-tests"
SERVANT, LOST = Member(Leg("12D3KooWservant", 0, 6), "computer"), Member(Leg("12D3KooWlost", 0, 6), "computer-2")
END = End("stop", 7, 3, [SERVANT], 0.51234, 12.3456, 5, [Recovery((LOST,), (SERVANT,), 0.23449)])


@dataclass
class FakeAnswerer:
    """Answers every question with `events`, then fails with `error` if there is one."""

    events: Sequence[AnswerEvent] = (Piece("Hel"), Piece("lo"), END)
    error: MeadowError | None = None
    context_length: int = 100
    sampling: Sampling = field(default_factory=lambda: Sampling(0.8, 0.9))
    questions: list[Question] = field(default_factory=list)
    conversations: list[Any] = field(default_factory=list)
    is_closed: bool = False
    description: Any = field(default_factory=lambda: SimpleNamespace(name="demo", source="/models/demo"))

    def chat_ids(self, messages: Any) -> list[int]:
        self.conversations.append(messages)
        return list(range(7))

    def text_ids(self, text: str) -> list[int]:
        return list(text.encode())

    def default_sampling(self) -> Sampling:
        return self.sampling

    async def answer(self, question: Question) -> AsyncIterator[AnswerEvent]:
        self.questions.append(question)
        wanted = len(question.ids) + (question.max_new_tokens or 1)
        if wanted > self.context_length:
            raise ContextExceededError(wanted, self.context_length)
        try:
            for event in self.events:
                yield event
            if self.error is not None:
                raise self.error
        finally:
            self.is_closed = True


@pytest.fixture
def answerer() -> FakeAnswerer:
    return FakeAnswerer()


@pytest.fixture
async def http(answerer: FakeAnswerer) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(answerer) as client:
        client.headers["Authorization"] = f"Bearer {KEY}"
        yield client


@pytest.fixture
async def stranger(answerer: FakeAnswerer) -> AsyncIterator[httpx.AsyncClient]:
    """The same server, for somebody who has no key."""
    async with serving(answerer) as client:
        yield client


@asynccontextmanager
async def serving(answerer: FakeAnswerer) -> AsyncIterator[httpx.AsyncClient]:
    models: Any = OnlyModel(answerer)  # type: ignore[arg-type]
    app = FastAPI()
    app.include_router(create_router(models))
    handle_errors(app)
    transport = httpx.ASGITransport(LocalOnly(app, KEY), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:4711") as client:
        yield client
