"""The OpenAI-compatible server as a FastAPI router.

An answer is streamed as it is computed; when its reader goes away, its computation stops. Errors before the first
byte are HTTP statuses, later ones an `error` event in the stream.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, aclosing
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response, StreamingResponse
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from meadow_client.errors import MeadowError
from meadow_client.gateway.askable import AskableModels, UnknownModelError
from meadow_client.gateway.replies import Kind, ReplyWriter, error_body, error_status, model_card
from meadow_client.gateway.schema import ChatRequest, CompletionRequest, StreamOptions
from meadow_client.models.answering import Answerer, AnswerEvent, End, Piece, Question
from meadow_client.models.sampling import Sampling
from meadow_client.session.swarm_client import Waiting

log = logging.getLogger(__name__)


def create_router(models: AskableModels) -> APIRouter:
    """Routes under /v1, for all of these models."""
    router = APIRouter(prefix="/v1")
    started = int(time.time())

    @router.get("/models")
    async def list_models() -> dict[str, Any]:
        known = await models.askable_models()
        return {"object": "list", "data": [model_card(model.id, started, model.context_length) for model in known]}

    @router.get("/models/{name:path}")
    async def get_model(name: str) -> dict[str, Any]:
        known = await models.askable_models()
        for model in known:
            if name in (model.id, model.source):
                return model_card(model.id, started, model.context_length)
        raise UnknownModelError(name, known[0].id if known else "")

    @router.post("/chat/completions")
    async def chat_completions(asked: ChatRequest, request: Request) -> Response:
        async with AsyncExitStack() as lent:
            answerer = await lent.enter_async_context(models.answerer(asked.model))
            ids = answerer.chat_ids([message.flat() for message in asked.messages])
            question = Question(ids, asked.limit(), _sampling(answerer, asked), asked.stops())
            return await _reply("chat", request, answerer, question, lent, asked.stream, asked.stream_options)

    @router.post("/completions")
    async def completions(asked: CompletionRequest, request: Request) -> Response:
        async with AsyncExitStack() as lent:
            answerer = await lent.enter_async_context(models.answerer(asked.model))
            limit = asked.max_tokens or 16  # OpenAI's default for this endpoint
            question = Question(answerer.text_ids(asked.text()), limit, _sampling(answerer, asked), asked.stops())
            prefix = asked.text() if asked.echo else ""
            return await _reply("text", request, answerer, question, lent, asked.stream, asked.stream_options, prefix)

    return router


def handle_errors(app: FastAPI) -> None:
    """Answer every failure under this app in OpenAI's form: never a traceback, never HTML."""

    @app.exception_handler(MeadowError)
    async def expected(_request: Request, error: MeadowError) -> Response:
        return expected_reply(error)

    @app.exception_handler(RequestValidationError)
    async def malformed(_request: Request, error: RequestValidationError) -> Response:
        return malformed_reply(error)

    @app.exception_handler(Exception)
    async def defect(_request: Request, error: Exception) -> Response:
        return defect_reply(error)

    @app.exception_handler(HTTPException)
    async def http(_request: Request, error: HTTPException) -> Response:
        return http_reply(error)


def _defect() -> MeadowError:
    return MeadowError("Meadow failed on this computer", "The log says more; please report it.")


def defect_reply(_error: Exception) -> Response:
    """A defect of ours; the log has its traceback."""
    return JSONResponse(error_body(_defect()), 500)


def expected_reply(error: MeadowError) -> Response:
    """An expected failure, with the status that OpenAI's clients take it by."""
    return JSONResponse(error_body(error), 404 if isinstance(error, UnknownModelError) else error_status(error))


def malformed_reply(error: RequestValidationError) -> Response:
    """A request that is not what the API takes: 400 with its first problem."""
    text, place = describe_problem(error)
    return JSONResponse(_plain_error(text, "invalid_request", place or None), 400)


def http_reply(error: HTTPException) -> Response:
    """No such path, wrong method and the like."""
    code = "not_found" if error.status_code == 404 else "http"
    return JSONResponse(_plain_error(f"{error.detail}.", code), error.status_code)


def describe_problem(error: RequestValidationError) -> tuple[str, str]:
    """The first problem of a request in a sentence, and the member it is about."""
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"][1:] if not isinstance(part, int))
    if first["type"] == "json_invalid":
        return "The request's body is not valid JSON.", ""
    return f"{place or 'The request'}: {first['msg'].removeprefix('Value error, ')}.", place


async def _reply(
    kind: Kind,
    request: Request,
    answerer: Answerer,
    question: Question,
    lent: AsyncExitStack,
    is_stream: bool,
    options: StreamOptions | None,
    prefix: str = "",
) -> Response:
    writer = ReplyWriter(kind, answerer.description.name)
    events = answerer.answer(question)
    if not is_stream:
        whole = await _while_connected(request, _collect(events, writer, prefix))
        return Response(status_code=499) if whole is None else JSONResponse(whole)
    first = await anext(events)  # errors up to here have a status of their own
    wants_usage = options is not None and options.include_usage
    return _Stream(_stream(first, events, writer, wants_usage, prefix), lent.pop_all())


class _Stream(StreamingResponse):
    """Server-sent events; gives back what was lent for them at the end, also if nobody reads a single one."""

    def __init__(self, content: AsyncIterator[str], lent: AsyncExitStack) -> None:
        super().__init__(content, media_type="text/event-stream")
        self._lent = lent

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._lent:
            await super().__call__(scope, receive, send)


async def _while_connected(request: Request, work: Coroutine[Any, Any, dict[str, Any]]) -> dict[str, Any] | None:
    """The result of `work`, or None as soon as the reader has gone away, which ends the work."""
    async with asyncio.TaskGroup() as group:
        working = group.create_task(_outcome(work))
        watching = group.create_task(_until_gone(request))
        await asyncio.wait([working, watching], return_when=asyncio.FIRST_COMPLETED)
        working.cancel()
        watching.cancel()
    if working.cancelled():
        return None
    outcome = working.result()
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


async def _outcome(work: Coroutine[Any, Any, dict[str, Any]]) -> dict[str, Any] | Exception:
    """A failure as a value: a TaskGroup would wrap it."""
    try:
        return await work
    except Exception as error:  # noqa: BLE001 - raised again by the caller
        return error


async def _until_gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _collect(events: AsyncIterator[AnswerEvent], writer: ReplyWriter, prefix: str) -> dict[str, Any]:
    text = prefix
    async with aclosing(events) as pieces:  # type: ignore[type-var]
        async for event in pieces:
            match event:
                case Piece():
                    text += event.text
                case End():
                    return writer.whole(text, event)
                case Waiting():
                    pass
    raise AssertionError("an answer ended without its end")


async def _stream(
    first: AnswerEvent,
    events: AsyncIterator[AnswerEvent],
    writer: ReplyWriter,
    wants_usage: bool,
    prefix: str,
) -> AsyncIterator[str]:
    try:
        yield _event(writer.first())
        if prefix:
            yield _event(writer.piece(prefix))
        event: AnswerEvent | None = first
        while event is not None:
            match event:
                case Piece():
                    yield _event(writer.piece(event.text))
                case Waiting():
                    yield _event(writer.waiting(event))
                case End():
                    yield _event(writer.last(event))
                    if wants_usage:
                        yield _event(writer.usage_chunk(event))
            event = await anext(events, None)
        yield "data: [DONE]\n\n"
    except MeadowError as error:
        log.warning("An answer ended early: %s", error.code)
        yield _event(error_body(error))
    except Exception:  # the reader must hear of it; the log tells what happened
        log.exception("An answer failed")
        yield _event(error_body(_defect()))
    finally:
        await events.aclose()  # type: ignore[attr-defined]


def _sampling(answerer: Answerer, asked: ChatRequest | CompletionRequest) -> Sampling:
    default = answerer.default_sampling()
    return Sampling(
        default.temperature if asked.temperature is None else asked.temperature,
        default.top_p if asked.top_p is None else asked.top_p,
        asked.seed,
    )


def _event(value: dict[str, Any]) -> str:
    return f"data: {json.dumps(value, ensure_ascii=False, separators=(',', ':'))}\n\n"


def _plain_error(text: str, code: str, param: str | None = None) -> dict[str, Any]:
    return {"error": {"message": text, "type": "invalid_request_error", "code": code, "param": param}}
