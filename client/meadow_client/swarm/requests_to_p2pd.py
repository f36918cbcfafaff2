"""Connections to p2pd that are closed when what they were opened for fails, and with p2pd itself.

WORKAROUND hivemind 1.1.12: every request has a connection of its own, which stays open when it fails or is cancelled,
and the one that stays open on purpose is never closed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from weakref import WeakKeyDictionary, WeakSet

from hivemind.p2p import P2P
from hivemind.p2p.p2p_daemon_bindings.control import DaemonConnector

_opened: ContextVar[list[asyncio.StreamWriter] | None] = ContextVar("meadow_p2pd_connections", default=None)
_all: WeakKeyDictionary[DaemonConnector, WeakSet[asyncio.StreamWriter]] = WeakKeyDictionary()
_open_connection = DaemonConnector.open_connection


async def _open_and_note(connector: DaemonConnector) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await _open_connection(connector)
    _all.setdefault(connector, WeakSet()).add(writer)
    opened = _opened.get()
    if opened is not None:
        opened.append(writer)
    return reader, writer


def watch_connections() -> None:
    """From now on, connections to any p2pd are known here."""
    DaemonConnector.open_connection = _open_and_note


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


async def close_connections(p2p: P2P) -> None:
    """Close what is still open to a p2pd that has ended."""
    for writer in list(_all.get(p2p._client.control.daemon_connector, ())):
        writer.close()
    await asyncio.sleep(0)  # transports end one turn after they were closed
