"""Who may talk to a server on this computer: holders of the key, and no web page.

A page in the person's browser could reach 127.0.0.1 too. It always sends `Origin`, which is refused, and a page that
points a name of its own at 127.0.0.1 (DNS rebinding) sends that name as `Host`, which is not on the list.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

_HOSTS = {"127.0.0.1", "localhost", "::1"}


Refusal = Callable[[str, str, str], Any]


def openai_refusal(_path: str, code: str, message: str) -> Any:
    """The body of a refusal as OpenAI's programs expect it."""
    return {"error": {"message": message, "type": "invalid_request_error", "code": code, "param": None}}


class LocalOnly:
    """ASGI middleware: 421 for a foreign Host, 403 for any Origin, 401 without the bearer key."""

    def __init__(self, app: ASGIApp, key: str, refusal: Refusal = openai_refusal) -> None:
        """`refusal` makes the body, as JSON, of path, code and message."""
        self._app = app
        self._refusal = refusal
        self._expected = f"Bearer {key}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        if _host_name(headers.get(b"host", b"").decode("latin-1")) not in _HOSTS:
            await self._refuse(scope, send, 421, "wrong_host", "This server answers for 127.0.0.1 only.")
        elif b"origin" in headers:
            await self._refuse(scope, send, 403, "browser_refused", "This server does not answer web pages.")
        elif not secrets.compare_digest(headers.get(b"authorization", b""), self._expected):
            words = "The API key is missing or wrong. Send it as `Authorization: Bearer KEY`."
            await self._refuse(scope, send, 401, "invalid_api_key", words)
        else:
            await self._app(scope, receive, send)

    async def _refuse(self, scope: Scope, send: Send, status: int, code: str, message: str) -> None:
        await _send_refusal(send, status, json.dumps(self._refusal(scope["path"], code, message)).encode())


def _host_name(host: str) -> str | None:
    """The name in a Host header without its port; None when it is none."""
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


async def _send_refusal(send: Send, status: int, body: bytes) -> None:
    headers = [(b"content-type", b"application/json")]
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
