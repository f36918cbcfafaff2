"""Connections to p2pd that are closed when what they were opened for fails.

WORKAROUND hivemind 1.1.12: every request has a connection of its own, which stays open when it fails or is cancelled.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from hivemind.p2p import P2P

_opened: ContextVar[list[asyncio.StreamWriter] | None] = ContextVar("meadow_p2pd_connections", default=None)


def watch_connections(p2p: P2P) -> None:
    """Make `closing_on_failure` know of the connections to this p2pd."""
    connector = p2p._client.control.daemon_connector
    open_connection = connector.open_connection

    async def open_and_note() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await open_connection()
        opened = _opened.get()
        if opened is not None:
            opened.append(writer)
        return reader, writer

    connector.open_connection = open_and_note


@contextmanager
def closing_on_failure() -> Iterator[None]:
    """If the block fails, close the connections that were opened in it."""
    opened: list[asyncio.StreamWriter] = []
    place = _opened.set(opened)
    try:
        yield
    except BaseException:
        for writer in opened:
            writer.close()
        raise
    finally:
        _opened.reset(place)
