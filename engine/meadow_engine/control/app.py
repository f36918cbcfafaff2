"""The engine's HTTP server: control API and OpenAI-compatible server behind one key.

Answers are values of `meadow_engine.api`; failures under /api are a `Problem`, under /v1 an error as OpenAI sends it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Annotated, Any, Protocol

from fastapi import APIRouter, FastAPI, Query, Request
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
from meadow_client.gateway.askable import AskableModels
from meadow_client.gateway.replies import error_status
from meadow_client.gateway.security import LocalOnly, openai_refusal
from meadow_engine.api.autostart import AutostartStatus, SetAutostart
from meadow_engine.api.commands import ChangeSettings, Pause, PauseLength, SetSharing, ShareAnyway
from meadow_engine.api.contributions import MOST_DAYS, ContributionRow, Contributions, RowsAsked
from meadow_engine.api.errors import Problem
from meadow_engine.api.events import KEEPALIVE_S, STATUS_EVENT
from meadow_engine.api.settings_overview import SettingsOverview
from meadow_engine.api.status import EngineStatus, ModelStatus
from meadow_engine.api.storage import DeleteModel, StorageOverview
from meadow_engine.api.swarm import SwarmOverview
from meadow_engine.storage import ModelInUseError, ModelNotStoredError

# No more events than this many seconds apart, however much changes.
_PAUSE_S = 0.25

_PROBLEMS: dict[int | str, dict[str, Any]] = {
    400: {"model": Problem, "description": "It cannot be meant, or is not possible."},
    401: {"model": Problem, "description": "The key is missing or wrong."},
    403: {"model": Problem, "description": "A web page asked."},
    404: {"model": Problem, "description": "There is no such thing."},
    409: {"model": Problem, "description": "Something else stands against it now."},
    421: {"model": Problem, "description": "Somebody asked for another computer."},
    500: {"model": Problem, "description": "It failed on this computer; the log says more."},
    503: {"model": Problem, "description": "It is not possible now."},
}


class Controlled(AskableModels, Protocol):
    """What the control API needs of an engine."""

    def status(self) -> EngineStatus: ...

    async def changed(self, within_s: float) -> None:
        """Return when the status is another one, and at the latest after that time."""
        ...

    async def models(self) -> list[ModelStatus]: ...

    async def swarm(self) -> SwarmOverview: ...

    async def storage(self) -> StorageOverview: ...

    async def delete_stored_model(self, model: str) -> StorageOverview: ...

    async def set_sharing(self, enabled: bool) -> EngineStatus: ...

    async def pause(self, length: PauseLength) -> EngineStatus: ...

    async def resume(self) -> EngineStatus: ...

    async def drain(self) -> EngineStatus: ...

    async def share_anyway(self, code: str) -> EngineStatus: ...

    def settings(self) -> SettingsOverview: ...

    async def change_settings(self, values: Mapping[str, object]) -> SettingsOverview: ...

    async def autostart(self) -> AutostartStatus: ...

    async def set_autostart(self, enabled: bool) -> AutostartStatus: ...

    async def contributions(self, days: int) -> Contributions: ...

    async def contribution_rows(self, asked: RowsAsked) -> list[ContributionRow]: ...


def create_app(engine: Controlled, key: str, more: Sequence[APIRouter] = ()) -> ASGIApp:
    """The app with all routes, and `more` below /api; only holders of `key` on this computer get past its door."""
    app = FastAPI(title="Meadow", docs_url=None, redoc_url=None, openapi_url="/api/openapi.json")
    app.include_router(_control_routes(engine))
    for routes in more:
        app.include_router(routes, prefix="/api", responses=_PROBLEMS)
    app.include_router(create_router(engine))
    _handle_errors(app)
    return LocalOnly(app, key, _refusal)


def _refusal(path: str, code: str, message: str) -> Any:
    if path.startswith("/v1"):
        return openai_refusal(path, code, message)
    return Problem(code=code.replace("_", "-"), message=message).model_dump()


def _handle_errors(app: FastAPI) -> None:
    """Failures under /api are a `Problem`; those under /v1 are as OpenAI sends them."""

    @app.exception_handler(MeadowError)
    async def expected(request: Request, error: MeadowError) -> Response:
        if _is_openai(request):
            return expected_reply(error)
        return _problem(_status(error), error.code, f"{error}.", error.advice)

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


def _status(error: MeadowError) -> int:
    match error:
        case ModelNotStoredError():
            return 404
        case ModelInUseError():
            return 409
        case _:
            return error_status(error)


def _is_openai(request: Request) -> bool:
    return request.url.path.startswith("/v1")


def _problem(status: int, code: str, message: str, advice: str = "") -> Response:
    return JSONResponse(Problem(code=code, message=message, advice=advice).model_dump(), status)


def _control_routes(engine: Controlled) -> APIRouter:
    router = APIRouter(prefix="/api", responses=_PROBLEMS)

    @router.get("/status")
    async def status() -> EngineStatus:
        """The engine's state now."""
        return engine.status()

    @router.get("/models")
    async def models() -> list[ModelStatus]:
        """All models of the swarm and how well they are covered."""
        return await engine.models()

    @router.get("/swarm")
    async def swarm() -> SwarmOverview:
        """Who holds which layers of which model, and how fast a chain of them would be."""
        return await engine.swarm()

    @router.get("/storage")
    async def storage() -> StorageOverview:
        """What model files take of the disk."""
        return await engine.storage()

    @router.post("/storage/delete")
    async def delete_stored_model(command: DeleteModel) -> StorageOverview:
        """Delete one model's files, which nobody uses."""
        return await engine.delete_stored_model(command.model)

    @router.post("/sharing")
    async def sharing(command: SetSharing) -> EngineStatus:
        """Begin or end hosting layers for others."""
        return await engine.set_sharing(command.enabled)

    @router.post("/pause")
    async def pause(command: Pause) -> EngineStatus:
        """Share nothing for a while."""
        return await engine.pause(command.length)

    @router.post("/resume")
    async def resume() -> EngineStatus:
        """End a pause, or a finishing, and share as soon as nothing speaks against it."""
        return await engine.resume()

    @router.post("/drain")
    async def drain() -> EngineStatus:
        """Let conversations finish or move on, and share nothing until resumed."""
        return await engine.drain()

    @router.post("/share-anyway")
    async def share_anyway(command: ShareAnyway) -> EngineStatus:
        """Let one reason not count for an hour."""
        return await engine.share_anyway(command.code)

    @router.get("/settings")
    async def settings() -> SettingsOverview:
        """All settings, where their values come from, and what is wrong with them."""
        return engine.settings()

    @router.patch("/settings")
    async def change_settings(command: ChangeSettings) -> SettingsOverview:
        """Change settings; what was fixed by a flag or a variable cannot be changed."""
        return await engine.change_settings(command.values)

    @router.get("/autostart")
    async def autostart() -> AutostartStatus:
        """Whether the app starts when this person logs in."""
        return await engine.autostart()

    @router.post("/autostart")
    async def set_autostart(command: SetAutostart) -> AutostartStatus:
        """Start the app at every login, or no longer; nothing is started or ended now."""
        return await engine.set_autostart(command.enabled)

    @router.get("/contributions")
    async def contributions(
        days: Annotated[int, Query(ge=1, le=MOST_DAYS, description="How many of the last days to tell.")] = 30,
    ) -> Contributions:
        """What this computer computed for others, and others for it: over all days, and for the last ones."""
        return await engine.contributions(days)

    @router.get("/contributions/rows")
    async def contribution_rows(asked: Annotated[RowsAsked, Query()]) -> list[ContributionRow]:
        """The same by day, model, other computer and direction; the latest day first."""
        return await engine.contribution_rows(asked)

    @router.get("/events")
    async def events() -> StreamingResponse:
        """Server-sent events; see `meadow_engine.api.events`."""
        return StreamingResponse(_status_events(engine), media_type="text/event-stream")

    return router


async def _status_events(engine: Controlled) -> AsyncIterator[str]:
    shown: str | None = None
    shown_s, number = 0.0, 0
    while True:
        status, now_s = engine.status(), time.monotonic()
        picture = _without_clocks(status).model_dump_json()
        is_news = picture != shown
        if is_news or now_s - shown_s >= KEEPALIVE_S:
            shown, shown_s, number = picture, now_s, number + 1
            yield f"id: {number}\nevent: {STATUS_EVENT}\ndata: {status.model_dump_json()}\n\n"
            if is_news:
                await asyncio.sleep(_PAUSE_S)  # in which it may have changed again
        else:
            await engine.changed(max(0.0, shown_s + KEEPALIVE_S - time.monotonic()))


def _without_clocks(status: EngineStatus) -> EngineStatus:
    """What of a status is news: not that time goes by."""
    reasons = [reason.model_copy(update={"may_end_s": None}) for reason in status.reasons]
    return status.model_copy(update={"uptime_s": 0.0, "may_begin_s": None, "reasons": reasons})
