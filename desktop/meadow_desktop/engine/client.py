"""HTTP to one engine on 127.0.0.1, through Qt's network stack: requests out, values in as signals.

Threads: GUI thread only; nothing blocks. Every request carries the bearer token and never an Origin header. An
object that is a stream lives until its `ended`/`finished` signal; `close()` hangs up, which ends a generation.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from PySide6.QtCore import QObject, QTimer, QUrl, QUrlQuery, Signal
from PySide6.QtNetwork import QNetworkAccessManager, QNetworkProxy, QNetworkReply, QNetworkRequest

from meadow_desktop.chat.answering import (
    ENGINE_LOST,
    ENGINE_SILENT,
    AnswerEnded,
    AnswerEvent,
    AnswerFailed,
)
from meadow_desktop.chat.chunks import read_chunk, read_error_body
from meadow_desktop.engine.api_request import ApiRequest, http_status, read_all
from meadow_desktop.engine.sse import EventParser, EventTooLargeError, ServerSentEvent
from meadow_engine.api.commands import Pause, PauseLength, SetSharing, ShareAnyway
from meadow_engine.api.events import KEEPALIVE_S, STATUS_EVENT
from meadow_engine.api.places import RunningEngine
from meadow_engine.api.status import EngineStatus

Value = TypeVar("Value")

FIRST_STATUS_S = 5.0
REQUEST_TIMEOUT_MS = 10_000


class StatusStream(QObject):
    """`GET /api/events`: the engine's status whenever it changes, until the engine goes away."""

    status_arrived = Signal(object)  # EngineStatus
    ended = Signal()

    def __init__(self, reply: QNetworkReply, parent: QObject) -> None:
        super().__init__(parent)
        self._reply = reply
        self._parser = EventParser()
        self._has_ended = False
        # An engine that hangs keeps its connection open: silence beyond its signs of life is an end too.
        self._silence = QTimer(self, singleShot=True, interval=int(FIRST_STATUS_S * 1000))
        self._silence.timeout.connect(self.close)
        self._silence.start()
        reply.readyRead.connect(self._read)
        reply.finished.connect(self.close)

    def close(self) -> None:
        """Hang up; `ended` is emitted once."""
        if self._has_ended:
            return
        self._has_ended = True
        self._silence.stop()
        _hang_up(self._reply)
        self.ended.emit()

    def _read(self) -> None:
        if http_status(self._reply) != 200:
            self.close()
            return
        try:
            events = self._parser.feed(read_all(self._reply))
            for event in events:
                if event.name == STATUS_EVENT:
                    self._silence.start(int((KEEPALIVE_S + FIRST_STATUS_S) * 1000))
                    self.status_arrived.emit(EngineStatus.model_validate_json(event.data))
        except (EventTooLargeError, ValidationError):
            self.close()


class AnswerStream(QObject):
    """`POST /v1/chat/completions`, streamed: events as of `chat/answering.py`, the last of which is final."""

    arrived = Signal(object)  # AnswerEvent
    finished = Signal()

    def __init__(self, reply: QNetworkReply, parent: QObject) -> None:
        super().__init__(parent)
        self._reply = reply
        self._parser = EventParser()
        self._has_ended = False
        reply.readyRead.connect(self._read)
        reply.finished.connect(self._finish)

    def close(self) -> None:
        """Hang up: the engine stops generating. Nothing is emitted any more but `finished`."""
        if self._has_ended:
            return
        self._has_ended = True
        _hang_up(self._reply)
        self.finished.emit()

    def _read(self) -> None:
        if self._has_ended or http_status(self._reply) != 200:
            return  # an error's body is read when it is whole
        try:
            events = self._parser.feed(read_all(self._reply))
        except EventTooLargeError:
            self._emit(AnswerFailed(ENGINE_LOST))
            self.close()
            return
        for event in events:
            self._take(event)

    def _take(self, event: ServerSentEvent) -> None:
        for meaning in read_chunk(event.data):
            if self._has_ended:
                return
            self._emit(meaning)
            if isinstance(meaning, AnswerEnded | AnswerFailed):
                self.close()

    def _finish(self) -> None:
        self._read()  # what came together with the end; it may have been the end's own event
        if not self._has_ended:
            self._fail(http_status(self._reply))

    def _fail(self, status: int) -> None:
        if status >= 400:
            problem = read_error_body(read_all(self._reply), status)
        else:
            problem = ENGINE_LOST if status else ENGINE_SILENT
        self._emit(AnswerFailed(problem))
        self.close()

    def _emit(self, event: AnswerEvent) -> None:
        self.arrived.emit(event)


class EngineClient(QObject):
    """Requests to the engine at one address with one token."""

    def __init__(self, engine: RunningEngine, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.engine = engine
        self._network = QNetworkAccessManager(self)
        self._network.setProxy(QNetworkProxy(QNetworkProxy.ProxyType.NoProxy))
        self._network.setAutoDeleteReplies(False)

    def watch_status(self) -> StatusStream:
        """Begin to follow the engine's status."""
        request = self._request("/api/events")
        request.setRawHeader(b"Accept", b"text/event-stream")
        return StatusStream(self._network.get(request), self)

    def ask(
        self, model: str, messages: list[dict[str, str]], parameters: Mapping[str, float | int] | None = None
    ) -> AnswerStream:
        """Ask for an answer to a conversation; `parameters` are members such as `temperature`."""
        body = {
            **(parameters or {}),
            "model": model,
            "messages": messages,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        request = self._request("/v1/chat/completions", has_body=True)
        request.setRawHeader(b"Accept", b"text/event-stream")
        return AnswerStream(self._network.post(request, json.dumps(body).encode()), self)

    def set_sharing(self, enabled: bool) -> ApiRequest[EngineStatus]:
        """Agree to sharing, or no longer."""
        return self._command("/api/sharing", SetSharing(enabled=enabled))

    def pause(self, length: PauseLength) -> ApiRequest[EngineStatus]:
        """Share nothing for a while."""
        return self._command("/api/pause", Pause(length=length))

    def resume(self) -> ApiRequest[EngineStatus]:
        """End a pause."""
        return self._command("/api/resume")

    def share_anyway(self, code: str) -> ApiRequest[EngineStatus]:
        """Let one reason not count for an hour."""
        return self._command("/api/share-anyway", ShareAnyway(code=code))

    def hang_up(self) -> None:
        """The engine has gone: every question that is still open ends with a problem."""
        for request in self.findChildren(ApiRequest):
            request.give_up()

    def _command(self, path: str, body: BaseModel | None = None) -> ApiRequest[EngineStatus]:
        request = self._request(path, has_body=True)
        request.setTransferTimeout(REQUEST_TIMEOUT_MS)
        data = b"{}" if body is None else body.model_dump_json().encode()
        return ApiRequest(self._network.post(request, data), EngineStatus, self)

    def get(self, path: str, expected: type[Value], **query: str) -> ApiRequest[Value]:
        """Ask for a value; `path` begins with /api, `query` are members of the query string."""
        request = self._request(path, query)
        request.setTransferTimeout(REQUEST_TIMEOUT_MS)
        return ApiRequest(self._network.get(request), expected, self)

    def send(
        self,
        method: str,
        path: str,
        body: BaseModel | None,
        expected: type[Value],
        timeout_ms: int = REQUEST_TIMEOUT_MS,
    ) -> ApiRequest[Value]:
        """Ask for a change: POST, PATCH or DELETE."""
        request = self._request(path, has_body=True)
        request.setTransferTimeout(timeout_ms)
        data = b"{}" if body is None else body.model_dump_json().encode()
        return ApiRequest(self._network.sendCustomRequest(request, method.encode(), data), expected, self)

    def _request(self, path: str, query: Mapping[str, str] | None = None, *, has_body: bool = False) -> QNetworkRequest:
        url = QUrl(self.engine.url.rstrip("/") + path)
        if query:
            members = QUrlQuery()
            for name, value in query.items():
                members.addQueryItem(name, value)
            url.setQuery(members)
        request = QNetworkRequest(url)
        request.setRawHeader(b"Authorization", f"Bearer {self.engine.token}".encode())
        request.setRawHeader(b"Accept-Encoding", b"identity")
        request.setAttribute(QNetworkRequest.Attribute.Http2AllowedAttribute, False)
        request.setAttribute(
            QNetworkRequest.Attribute.RedirectPolicyAttribute,
            QNetworkRequest.RedirectPolicy.ManualRedirectPolicy,
        )
        if has_body:
            request.setHeader(QNetworkRequest.KnownHeaders.ContentTypeHeader, "application/json")
        return request


def _hang_up(reply: QNetworkReply) -> None:
    reply.readyRead.disconnect()
    reply.finished.disconnect()
    if reply.isRunning():
        reply.abort()
    reply.deleteLater()
