"""What a person says about sharing is passed on to the engine; a web page cannot say it."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from fakes.engine_status import STATUS
from fakes.noting_engine import NotingEngine, problem_of
from meadow_client.errors import UsageError
from meadow_engine.api.status import EngineStatus


@pytest.mark.parametrize("enabled", [True, False])
async def test_sharing_is_switched(http: httpx.AsyncClient, engine: NotingEngine, enabled: bool) -> None:
    reply = await http.post("/api/sharing", json={"enabled": enabled})
    assert reply.status_code == 200
    assert engine.wanted == [enabled]
    assert EngineStatus.model_validate_json(reply.content) == engine.now


@pytest.mark.parametrize(
    ("path", "body", "asked"),
    [
        ("/api/pause", {}, ("pause", "resumed")),
        ("/api/pause", {"length": "30m"}, ("pause", "30m")),
        ("/api/pause", {"length": "restart"}, ("pause", "restart")),
        ("/api/resume", None, ("resume",)),
        ("/api/resume", {}, ("resume",)),
        ("/api/drain", None, ("drain",)),
        ("/api/share-anyway", {"code": "metered"}, ("share-anyway", "metered")),
    ],
)
async def test_the_persons_word_is_passed_on_and_answered_with_the_status(
    http: httpx.AsyncClient, engine: NotingEngine, path: str, body: object, asked: tuple[Any, ...]
) -> None:
    reply = await http.post(path, json=body)
    assert (reply.status_code, engine.asked) == (200, [asked])
    assert EngineStatus.model_validate_json(reply.content) == STATUS


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/pause", {"length": "2h"}),
        ("/api/pause", {"length": 30}),
        ("/api/pause", {"lenght": "30m"}),
        ("/api/share-anyway", {}),
        ("/api/share-anyway", {"code": "x" * 65}),
        ("/api/share-anyway", {"code": None}),
    ],
)
async def test_a_word_that_cannot_be_meant_is_a_problem_and_changes_nothing(
    http: httpx.AsyncClient, engine: NotingEngine, path: str, body: object
) -> None:
    reply = await http.post(path, json=body)
    assert (reply.status_code, problem_of(reply).code, engine.asked) == (400, "invalid-request", [])


async def test_a_reason_that_cannot_be_left_out_is_a_problem_with_advice(
    http: httpx.AsyncClient, engine: NotingEngine
) -> None:
    engine.fails_with = UsageError("'paused' is no reason that can be left out", "Those that can: metered.")
    reply = await http.post("/api/share-anyway", json={"code": "paused"})
    assert (reply.status_code, problem_of(reply).advice) == (400, "Those that can: metered.")


@pytest.mark.parametrize("path", ["/api/pause", "/api/resume", "/api/drain", "/api/share-anyway"])
async def test_a_web_page_cannot_say_a_word(http: httpx.AsyncClient, engine: NotingEngine, path: str) -> None:
    reply = await http.post(path, json={"code": "metered"}, headers={"Origin": "https://example.org"})
    assert (reply.status_code, engine.asked) == (403, [])


async def test_a_web_page_cannot_switch_sharing_on(http: httpx.AsyncClient, engine: NotingEngine) -> None:
    reply = await http.post("/api/sharing", json={"enabled": True}, headers={"Origin": "https://example.org"})
    assert (reply.status_code, engine.wanted) == (403, [])
