"""Serve an ASGI app on 127.0.0.1 from the engine's own event loop."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import re
import secrets
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from meadow_client.errors import PortTakenError
from meadow_engine.api.places import write_private

# What can be sent in a header.
_KEY = re.compile(rb"[\x20-\x7e]+")

log = logging.getLogger(__name__)


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_up = asyncio.Event()
        self.stop = asyncio.Event()

    async def main_loop(self) -> None:
        """Wait to be stopped. uvicorn's own loop looks ten times a second, and an engine that waits should sleep."""
        await self.stop.wait()
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.is_up.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield  # signals belong to the command that runs the engine


@asynccontextmanager
async def serving_http(app: ASGIApp, port: int) -> AsyncIterator[str]:
    """Serve `app` as long as the block runs; gives its URL, such as http://127.0.0.1:4711.

    Raises:
        PortTakenError: another program uses the port.
    """
    listener = _listen(port)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=2,
        date_header=False,  # which uvicorn's own loop would keep true
    )
    server = _Server(config)
    async with asyncio.TaskGroup() as group:
        serving = group.create_task(server.serve(sockets=[listener]))
        await server.is_up.wait()
        try:
            yield url
        finally:
            server.stop.set()
            await serving  # a failure in the block would cancel it before it has closed its socket


def load_or_create_key(path: Path) -> str:
    """The API key in a file of mode 0600; a new one of 256 bits is made if there is none.

    A file with something that nobody could send as a key is kept beside it, as `api-key.broken`, and named in the log.

    Raises:
        OSError: it cannot be read or written.
    """
    with contextlib.suppress(FileNotFoundError):
        content = path.read_bytes().strip()
        if _KEY.fullmatch(content):
            return content.decode()
        if content:
            aside = path.with_name(f"{path.name}.broken")
            path.replace(aside)
            log.warning("%s holds no API key; it is kept as %s, and a new key is made", path, aside.name)
    key = secrets.token_urlsafe(32)
    write_private(path, key + "\n")
    return key


def _listen(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError as error:
        listener.close()
        if error.errno in (errno.EADDRINUSE, errno.EACCES):
            raise PortTakenError(f"127.0.0.1 port {port}") from error
        raise
    return listener
