"""The control API tells the engine's state, changes it, and says what went wrong as a `Problem`."""

from __future__ import annotations

import httpx
import pytest

from fakes.engine_status import STATUS
from fakes.noting_engine import MODEL, STORED, SWARM, NotingEngine, problem_of
from meadow_client.errors import MeadowError, UsageError
from meadow_engine.api.status import EngineStatus
from meadow_engine.api.storage import StorageOverview
from meadow_engine.api.swarm import SwarmOverview
from meadow_engine.storage import ModelInUseError, ModelNotStoredError


async def test_the_status_is_the_engines(http: httpx.AsyncClient) -> None:
    reply = await http.get("/api/status")
    assert reply.status_code == 200
    assert EngineStatus.model_validate_json(reply.content) == STATUS


async def test_the_models_are_listed(http: httpx.AsyncClient) -> None:
    assert (await http.get("/api/models")).json() == [MODEL.model_dump()]


async def test_the_swarm_is_shown(http: httpx.AsyncClient) -> None:
    reply = await http.get("/api/swarm")
    assert SwarmOverview.model_validate_json(reply.content) == SWARM
    [model] = reply.json()["models"]
    assert (model["missing"], model["chain"], model["servers"][0]["latency_s"]) == (
        [{"start": 1, "end": 2}],
        None,
        None,
    )


async def test_stored_models_are_shown_and_deleted(http: httpx.AsyncClient, engine: NotingEngine) -> None:
    assert StorageOverview.model_validate_json((await http.get("/api/storage")).content) == STORED
    reply = await http.post("/api/storage/delete", json={"model": "people/model"})
    assert (reply.json(), engine.asked) == (STORED.model_dump(), [("delete", "people/model")])


async def test_starting_at_login_is_shown_and_switched(http: httpx.AsyncClient, engine: NotingEngine) -> None:
    assert (await http.get("/api/autostart")).json()["is_on"] is False
    reply = await http.post("/api/autostart", json={"enabled": True})
    assert (reply.json()["is_on"], engine.asked) == (True, [("autostart", True)])


@pytest.mark.parametrize(
    "path",
    ["/api/status", "/api/models", "/api/events", "/api/settings", "/api/openapi.json", "/v1/models"],
)
async def test_nothing_is_told_without_the_key(http: httpx.AsyncClient, path: str) -> None:
    assert (await http.get(path, headers={"Authorization": "Bearer wrong"})).status_code == 401


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b'{"enabled": "perhaps"}', b'{"enabled": true, "more": 1}'])
async def test_a_command_that_cannot_be_meant_is_a_problem(
    http: httpx.AsyncClient, engine: NotingEngine, body: bytes
) -> None:
    reply = await http.post("/api/sharing", content=body, headers={"Content-Type": "application/json"})
    assert (reply.status_code, problem_of(reply).code) == (400, "invalid-request")
    assert engine.wanted == []


async def test_a_command_that_is_no_text_is_a_problem(http: httpx.AsyncClient) -> None:
    reply = await http.post("/api/sharing", content=b"\xff", headers={"Content-Type": "application/json"})
    assert reply.status_code == 400
    assert problem_of(reply).message


@pytest.mark.parametrize(
    ("error", "status", "code", "advice"),
    [
        (UsageError("No", "Do that."), 400, "usage", "Do that."),
        (MeadowError("Something failed", "Do this."), 500, "failed", "Do this."),
        (ModelNotStoredError("x"), 404, "model-not-stored", ModelNotStoredError.advice),
        (ModelInUseError("x"), 409, "model-in-use", ModelInUseError.advice),
        (PermissionError(13, "Permission denied"), 500, "failed", "Check the disk and its permissions."),
        (RuntimeError("a defect of ours"), 500, "failed", "The log says more; please report it."),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_a_failure_is_a_problem(
    http: httpx.AsyncClient, engine: NotingEngine, error: Exception, status: int, code: str, advice: str
) -> None:
    engine.fails_with = error
    reply = await http.post("/api/sharing", json={"enabled": True})
    found = problem_of(reply)
    assert (reply.status_code, found.code, found.advice) == (status, code, advice)
    assert found.message.endswith(".")
    assert "defect" not in reply.text


async def test_a_path_that_is_not_there_is_a_problem(http: httpx.AsyncClient) -> None:
    reply = await http.get("/api/nothing")
    assert (reply.status_code, problem_of(reply).code) == (404, "not-found")
    assert (await http.get("/api/sharing")).status_code == 405


async def test_failures_of_the_chat_server_keep_openais_form(http: httpx.AsyncClient) -> None:
    question = {"model": "demo", "messages": [{"role": "user", "content": "Hello?"}]}
    reply = await http.post("/v1/chat/completions", json=question)
    assert (reply.status_code, reply.json()["error"]["code"]) == (500, "model-unusable")
    assert (await http.get("/v1/nothing")).json()["error"]["code"] == "not_found"


async def test_the_api_describes_itself(http: httpx.AsyncClient) -> None:
    described = (await http.get("/api/openapi.json")).json()
    words = {"/api/pause", "/api/resume", "/api/drain", "/api/share-anyway", "/api/settings"}
    assert {"/api/status", "/api/models", "/api/sharing", "/api/events"} | words <= set(described["paths"])
    for path in ("/docs", "/redoc", "/openapi.json"):
        assert (await http.get(path)).status_code == 404
