"""Pages of a cache as bytes, the sessions that take them, and strangers who send them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from secrets import token_hex
from typing import Any

import torch

from fakes.span_servers import Client, Network, client_of, opening
from fakes.streams import flat, hear
from meadow_client.wire.messages import VERSION, Address, Join, Opened, Pages, Ping, Pong

LAYERS, HEADS, WIDTH = 4, 2, 16
END = 20


def kept(tokens: int = END, rows: int = 1, heads: int = HEADS, width: int = WIDTH) -> torch.Tensor:
    return torch.randn(rows, heads, tokens, width, generator=torch.Generator().manual_seed(tokens))


def pages(layer: int, position: int = 0, first: int = 0, end: int = END, **changes: Any) -> bytes:
    """All tokens of one layer, if nothing else is said."""
    keys = changes.pop("keys", kept(end - position))
    values = changes.pop("values", keys)
    message = Pages(layer, position, first, end, (), **{"epoch": 1, **changes})
    return flat(message, keys=keys, values=values)


def all_pages(first: int = 0, end: int = END, **changes: Any) -> list[bytes]:
    return [pages(layer, first, first, end, **changes) for layer in range(LAYERS)]


@asynccontextmanager
async def session(peer: str, network: Network, **changes: Any) -> AsyncIterator[tuple[Client, Address]]:
    """An open session, and where other servers find it."""
    address = Address(peer, token_hex(16))
    async with client_of(network, peer) as client:
        client.say(opening(session=address.session, **changes))
        assert isinstance(await client.hear(), Opened)
        yield client, address


@asynccontextmanager
async def stranger(network: Network, address: Address) -> AsyncIterator[Client]:
    """Another server, which knows a session."""
    async with client_of(network, address.peer) as other:
        other.say(flat(Join(VERSION, address.session)))
        yield other


async def is_alive(client: Client) -> bool:
    client.say(flat(Ping()))
    try:
        async with asyncio.timeout(5):
            while not isinstance((await hear(client.stream))[0], Pong):
                continue
            return True
    except asyncio.IncompleteReadError:
        return False
