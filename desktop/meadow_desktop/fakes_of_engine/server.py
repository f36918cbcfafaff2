"""The HTTP of the fake engine: who may ask, which route answers, and how answers go out.

Threads: one for each connection, daemonic; routes are called on them.
"""

from __future__ import annotations

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

from pydantic import ValidationError
from pydantic_core import to_jsonable_python

from meadow_desktop.fakes_of_engine.asked import Asked, FakeRefusalError, OtherAnswer, Routes, Stream, refusal


class FakeServer(ThreadingHTTPServer):
    """On a free port of 127.0.0.1. `routes` are taken as they are when a request comes."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, token: str, routes: Routes) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.token = token
        self.routes = routes

    def handle_error(self, request: object, client_address: object) -> None:
        """A desktop that ends hangs up in mid-request; anything else is an error of the fake's."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_PATCH(self) -> None:
        self._serve()

    def log_message(self, format: str, *args: Any) -> None:
        """Stay quiet: requests are nobody's business."""

    def _serve(self) -> None:
        server = cast(FakeServer, self.server)
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        address = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(address.query).items()}
        try:
            self._check_admission(server.token)
            route = server.routes.get((self.command, address.path))
            if route is None:
                raise refusal("not-found", "There is no such page", 404)
            answer = route(Asked(address.path, query, body))
        except FakeRefusalError as error:
            self._send(error.status, error.problem)
        except ValidationError:
            self._send(400, refusal("invalid-request", "The body is not what belongs to this command.").problem)
        else:
            match answer:
                case Stream():
                    self._stream(answer)
                case OtherAnswer():
                    self._send(answer.status, answer.body)
                case _:
                    self._send(200, answer)

    def _check_admission(self, token: str) -> None:
        if self.headers.get("Origin") is not None:
            raise refusal("origin-refused", "Web pages may not speak to the engine", 403)
        if self.headers.get("Authorization") != f"Bearer {token}":
            raise refusal("token-wrong", "The token is wrong", 401)

    def _stream(self, stream: Stream) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            for event in stream.events:
                data = event.encode()
                self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
            self.wfile.write(b"0\r\n\r\n")
        except OSError:
            self.close_connection = True
            stream.was_cut()

    def _send(self, status: int, body: object) -> None:
        data = json.dumps(to_jsonable_python(body)).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
