"""One question to the control API: ends with a value of `meadow_engine.api`, or with a `Problem`. GUI thread."""

from __future__ import annotations

import json
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter
from PySide6.QtCore import QObject, Signal
from PySide6.QtNetwork import QNetworkReply, QNetworkRequest

from meadow_desktop.chat.answering import ENGINE_SILENT
from meadow_desktop.chat.chunks import read_problem
from meadow_desktop.language import _
from meadow_engine.api.errors import Problem

Value = TypeVar("Value")


class ApiRequest(QObject, Generic[Value]):
    """`done` is emitted once, with a value of the type that was asked for or a `Problem`; then the object goes."""

    done = Signal(object)  # Value | Problem

    def __init__(self, reply: QNetworkReply, expected: type[Value], parent: QObject) -> None:
        super().__init__(parent)
        self._is_done = False
        self._reply = reply
        self._expected = expected
        reply.finished.connect(self._finish)

    def give_up(self) -> None:
        """Wait no longer; `done` is emitted with a problem."""
        if not self._is_done and self._reply.isRunning():
            self._reply.abort()

    def _finish(self) -> None:
        self._is_done = True
        status, body = http_status(self._reply), read_all(self._reply)
        self._reply.deleteLater()
        self.done.emit(read_reply(status, body, self._expected))
        self.deleteLater()


def read_reply(status: int, body: bytes, expected: type[Value]) -> Value | Problem:
    """What an answer of the control API means; status 0 is none at all."""
    if status == 0:
        return ENGINE_SILENT
    fallback = Problem(
        code=f"http-{status}",
        message=_("The engine did not do this (HTTP {status})").format(status=status),
        advice=_("Try again; if it stays so, look into engine.log."),
    )
    try:
        if status < 400:
            return TypeAdapter(expected).validate_json(body)
        parsed: Any = json.loads(body)
    except ValueError:
        return fallback
    return read_problem(parsed, fallback)


def http_status(reply: QNetworkReply) -> int:
    """The HTTP status, or 0 before (or without) an answer."""
    value = reply.attribute(QNetworkRequest.Attribute.HttpStatusCodeAttribute)
    return value if isinstance(value, int) else 0


def read_all(reply: QNetworkReply) -> bytes:
    """What has arrived since it was read last."""
    return bytes(reply.readAll().data()) if reply.isOpen() else b""
