"""Who answers is lent for exactly as long as somebody reads the answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from meadow_client.errors import LayersMissingError
from meadow_client.gateway.app import create_router, handle_errors
from meadow_client.gateway.askable import AskableModel, UnknownModelError
from meadow_client.models.answering import AnswerEvent, End, Piece, Question
from meadow_client.models.sampling import Sampling

END = End("stop", 1, 2, [], 0.1, 10.0)
ASKED: dict[str, Any] = {"model": "b", "messages": [{"role": "user", "content": "Hello?"}]}


@dataclass
class Library:
    """Two models; says in `lent` who is out now, and in `seen` who was at every piece of an answer."""

    lent: list[str] = field(default_factory=list)
    seen: list[list[str]] = field(default_factory=list)
    fails_with: Exception | None = None
    goes_on: asyncio.Event = field(default_factory=asyncio.Event)

    async def askable_models(self) -> Sequence[AskableModel]:
        return [AskableModel("a", 10), AskableModel("b", 20, "/models/b")]

    @asynccontextmanager
    async def answerer(self, model: str) -> AsyncIterator[Any]:
        if model not in ("a", "b"):
            raise UnknownModelError(model, "a")
        self.lent.append(model)
        try:
            yield Reader(self, model)
        finally:
            self.lent.remove(model)


@dataclass
class Reader:
    """Answers with the name of its model."""

    library: Library
    name: str

    @property
    def description(self) -> Any:
        return self

    def chat_ids(self, _messages: Any) -> list[int]:
        return [1]

    def default_sampling(self) -> Sampling:
        return Sampling()

    async def answer(self, _question: Question) -> AsyncIterator[AnswerEvent]:
        for event in (Piece(self.name), Piece("!"), END):
            self.library.seen.append(list(self.library.lent))
            yield event
            await self.library.goes_on.wait()
            if self.library.fails_with is not None:
                raise self.library.fails_with


@pytest.fixture
def library() -> Library:
    return Library()


@pytest.fixture
def app(library: Library) -> FastAPI:
    made = FastAPI()
    made.include_router(create_router(library))
    handle_errors(made)
    return made


@pytest.fixture
async def http(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as client:
        yield client


async def test_all_models_are_listed_and_each_answers_for_itself(http: httpx.AsyncClient, library: Library) -> None:
    library.goes_on.set()
    listed = (await http.get("/v1/models")).json()["data"]
    assert [(model["id"], model["context_length"]) for model in listed] == [("a", 10), ("b", 20)]
    assert (await http.get("/v1/models//models/b")).json()["id"] == "b"
    assert (await http.get("/v1/models/c")).status_code == 404
    for name in ("a", "b", "a"):
        reply = (await http.post("/v1/chat/completions", json={**ASKED, "model": name})).json()
        assert (reply["model"], reply["choices"][0]["message"]["content"]) == (name, f"{name}!")
    refused = await http.post("/v1/chat/completions", json={**ASKED, "model": "c"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (404, "model_not_found")


@pytest.mark.parametrize("is_stream", [True, False])
async def test_it_is_lent_up_to_the_end_of_the_answer(
    http: httpx.AsyncClient, library: Library, is_stream: bool
) -> None:
    library.goes_on.set()
    reply = await http.post("/v1/chat/completions", json={**ASKED, "stream": is_stream})
    assert reply.status_code == 200
    assert library.seen == [["b"]] * 3
    assert library.lent == []


@pytest.mark.parametrize("is_stream", [True, False])
async def test_it_comes_back_when_an_answer_fails(http: httpx.AsyncClient, library: Library, is_stream: bool) -> None:
    library.goes_on.set()
    library.fails_with = LayersMissingError("b", [(0, 1)])
    await http.post("/v1/chat/completions", json={**ASKED, "stream": is_stream})
    assert (library.seen, library.lent) == ([["b"]], [])


@pytest.mark.parametrize("is_stream", [True, False])
async def test_it_comes_back_when_the_reader_goes_away(app: FastAPI, library: Library, is_stream: bool) -> None:
    body = json.dumps({**ASKED, "stream": is_stream}).encode()
    messages = [{"type": "http.request", "body": body, "more_body": False}, {"type": "http.disconnect"}]

    async def receive() -> Any:
        await asyncio.sleep(0)
        return messages.pop(0) if len(messages) > 1 else messages[0]

    async def send(_message: Any) -> None:
        await asyncio.sleep(0)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "path": "/v1/chat/completions",
        "raw_path": b"/v1/chat/completions",
        "query_string": b"",
        "root_path": "",
        "scheme": "http",
        "headers": [(b"content-type", b"application/json")],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
    }
    await asyncio.wait_for(app(scope, receive, send), 5)
    assert library.seen == [["b"]]
    assert library.lent == []
