"""The engine's HTTP server: control API and OpenAI-compatible server behind one key.

Answers are values of `meadow_engine.api`; failures under /api are a `Problem`, under /v1 an error as OpenAI sends it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Protocol

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response, StreamingResponse
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from meadow_client.errors import MeadowError
from meadow_client.gateway.app import (
    create_router,
    defect_reply,
    describe_problem,
    expected_reply,
    http_reply,
    malformed_reply,
)
from meadow_client.gateway.replies import error_status
from meadow_client.gateway.security import LocalOnly
from meadow_client.models.answering import Answerer
from meadow_engine.api.commands import SetSharing
from meadow_engine.api.errors import Problem
from meadow_engine.api.events import KEEPALIVE_S, STATUS_EVENT
from meadow_engine.api.status import EngineStatus, ModelStatus

_POLL_S = 0.25


class Controlled(Protocol):
    """What the control API needs of an engine."""

    def status(self) -> EngineStatus: ...

    async def models(self) -> list[ModelStatus]: ...

    async def set_sharing(self, enabled: bool) -> EngineStatus: ...

    async def answerer(self) -> Answerer: ...


def create_app(engine: Controlled, key: str) -> ASGIApp:
    """The app with all routes; only holders of `key` on this computer get past its door."""
    app = FastAPI(title="Meadow", docs_url=None, redoc_url=None, openapi_url="/api/openapi.json")
    app.include_router(_control_routes(engine))
    app.include_router(create_router(engine.answerer))
    _handle_errors(app)
    return LocalOnly(app, key)


def _handle_errors(app: FastAPI) -> None:
    """Failures under /api are a `Problem`; those under /v1 are as OpenAI sends them."""

    @app.exception_handler(MeadowError)
    async def expected(request: Request, error: MeadowError) -> Response:
        if _is_openai(request):
            return expected_reply(error)
        return _problem(error_status(error), error.code, f"{error}.", error.advice)

    @app.exception_handler(OSError)
    async def system(request: Request, error: OSError) -> Response:
        failure = MeadowError(f"The system says: {error.strerror or error}", "Check the disk and its permissions.")
        return await expected(request, failure)

    @app.exception_handler(RequestValidationError)
    async def malformed(request: Request, error: RequestValidationError) -> Response:
        if _is_openai(request):
            return malformed_reply(error)
        return _problem(400, "invalid-request", describe_problem(error)[0])

    @app.exception_handler(Exception)
    async def defect(request: Request, error: Exception) -> Response:
        if _is_openai(request):
            return defect_reply(error)
        return _problem(500, "failed", "Meadow failed on this computer.", "The log says more; please report it.")

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        if _is_openai(request):
            return http_reply(error)
        return _problem(error.status_code, "not-found" if error.status_code == 404 else "http", f"{error.detail}.")


def _is_openai(request: Request) -> bool:
    return request.url.path.startswith("/v1")


def _problem(status: int, code: str, message: str, advice: str = "") -> Response:
    return JSONResponse(Problem(code=code, message=message, advice=advice).model_dump(), status)


def _control_routes(engine: Controlled) -> APIRouter:
    router = APIRouter(prefix="/api")

    @router.get("/status")
    async def status() -> EngineStatus:
        """The engine's state now."""
        return engine.status()

    @router.get("/models")
    async def models() -> list[ModelStatus]:
        """All models of the swarm and how well they are covered."""
        return await engine.models()

    @router.post("/sharing")
    async def sharing(command: SetSharing) -> EngineStatus:
        """Begin or end hosting layers for others."""
        return await engine.set_sharing(command.enabled)

    @router.get("/events")
    async def events() -> StreamingResponse:
        """Server-sent events; see `meadow_engine.api.events`."""
        return StreamingResponse(_status_events(engine), media_type="text/event-stream")

    return router


async def _status_events(engine: Controlled) -> AsyncIterator[str]:
    shown: str | None = None
    silent_s = 0.0
    while True:
        status = engine.status()
        picture = status.model_copy(update={"uptime_s": 0.0}).model_dump_json()
        if picture != shown or silent_s >= KEEPALIVE_S:
            shown, silent_s = picture, 0.0
            yield f"event: {STATUS_EVENT}\ndata: {status.model_dump_json()}\n\n"
        await asyncio.sleep(_POLL_S)
        silent_s += _POLL_S
