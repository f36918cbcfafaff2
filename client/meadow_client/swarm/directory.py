"""What servers announce and how clients read it.

Two DHT keys hold one signed record for each server: one for the model it serves (what a client reads to find a
chain) and one for all models (what `meadow models` reads). Records live 45 s and are renewed every 15 s; a server
that leaves withdraws its own at once.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Annotated

import msgspec
from hivemind.dht.node import DHTNode
from hivemind.utils.timed_storage import ValueWithExpiration, get_dht_time

from meadow_client.swarm.publishing import Publisher
from meadow_client.swarm.records import MAX_LIFETIME_S
from meadow_client.wire.messages import MAX_LAYERS, MAX_TOKENS

LIFETIME_S = 45.0
RENEW_S = 15.0
# Peers' clocks may differ by so much.
_CLOCK_SLACK_S = 3.0
_FIND_TIMEOUT_S = 10.0
_SEARCHES = 5
_ALL_MODELS = "meadow/1/models"

_Layer = Annotated[int, msgspec.Meta(ge=0, le=MAX_LAYERS)]
_Text = Annotated[str, msgspec.Meta(max_length=256)]


class Announcement(msgspec.Struct, frozen=True, forbid_unknown_fields=False):
    """One server's word about itself. `start == end` withdraws it.

    `model` is the fingerprint that both ends compute from a model's files, `model_name` what people call it;
    `token_s` is the time in seconds one decode step of the whole span took lately, 0 before the first.
    """

    model: _Text
    model_name: _Text
    num_layers: _Layer
    context_length: Annotated[int, msgspec.Meta(ge=1, le=MAX_TOKENS)]
    start: _Layer
    end: _Layer
    name: _Text
    version: _Text
    dtype: _Text
    token_s: Annotated[float, msgspec.Meta(ge=0.0, le=3600.0)] = 0.0


class Server(msgspec.Struct, frozen=True):
    """An announcement and who made it."""

    peer: str
    announced: Announcement


_decoder = msgspec.msgpack.Decoder(Announcement)
_encoder = msgspec.msgpack.Encoder()


class Directory:
    """Reads and writes announcements on the DHT node in use; waits a little while there is none."""

    def __init__(self, peer: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._publisher = Publisher(peer, clock)
        self._dht: DHTNode | None = None
        self._in_use = asyncio.Event()
        self._announced: dict[str, Announcement] = {}
        self._last_expiry = 0.0
        self._read: dict[str, tuple[float, list[Server]]] = {}

    def use(self, dht: DHTNode | None) -> None:
        """Go on with another DHT node, or with none until the next."""
        self._dht = dht
        if dht is None:
            self._in_use.clear()
        else:
            self._in_use.set()

    async def announce(self, announcement: Announcement) -> bool:
        """Publish or renew this peer's record for LIFETIME_S. False when no node took it."""
        self._announced[announcement.model] = announcement
        return await self._store(announcement)

    async def announce_again(self) -> bool:
        """Publish anew what was announced and not withdrawn, for nodes that did not hear it. False if none took it."""
        stored = [await self._store(announcement, must_search=True) for announcement in list(self._announced.values())]
        return all(stored)

    async def withdraw(self, announcement: Announcement) -> bool:
        """Replace this peer's record by one that serves nothing."""
        self._announced.pop(announcement.model, None)
        return await self._store(msgspec.structs.replace(announcement, start=0, end=0), must_search=True)

    async def servers(self, model: str, max_age_s: float = 0.0) -> list[Server]:
        """The servers that hold layers of the model with this fingerprint, in no order.

        What was read at most `max_age_s` ago is given again without asking anybody.
        """
        read_s, servers = self._read.get(model, (float("-inf"), []))
        if max_age_s > 0 and self._clock() - read_s <= max_age_s:
            return list(servers)
        servers = [server for server in await self._find(_model_key(model)) if server.announced.model == model]
        if servers:
            self._read[model] = (self._clock(), servers)
        else:
            self._read.pop(model, None)
        return list(servers)

    async def all_servers(self) -> list[Server]:
        """The servers of all models."""
        return await self._find(_ALL_MODELS)

    async def _store(self, announcement: Announcement, *, must_search: bool = False) -> bool:
        dht = self._dht
        if dht is None:
            return False
        self._last_expiry = expiry = next_expiry(get_dht_time(), self._last_expiry)
        keys = [_model_key(announcement.model), _ALL_MODELS]
        return await self._publisher.publish(dht, keys, _encoder.encode(announcement), expiry, must_search=must_search)

    async def _find(self, key: str) -> list[Server]:
        found = await self._get(key)
        if found is None or not isinstance(found.value, dict):
            return []
        servers = []
        for peer, entry in found.value.items():
            try:
                announced = _shown(_decoder.decode(entry.value))
            except (msgspec.DecodeError, UnicodeDecodeError, TypeError):
                continue
            if announced.start < announced.end <= announced.num_layers:
                servers.append(Server(peer, announced))
        return servers

    async def _get(self, key: str) -> ValueWithExpiration | None:
        """The records under a key; asks again when the DHT node was replaced meanwhile."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_FIND_TIMEOUT_S):
                while True:
                    await self._in_use.wait()
                    dht = self._dht
                    if dht is None:
                        continue
                    found = await _search(dht, key)
                    if self._dht is dht:
                        return found
        return None


async def _search(dht: DHTNode, key: str) -> ValueWithExpiration | None:
    """The records under a key. Searches again while it meets nodes that do not answer: they are left out the next time.

    After many deaths, all of the nearest nodes that others know may be dead ones.
    """
    found: ValueWithExpiration | None = None
    for _ in range(_SEARCHES):
        failures = sum(dht.blacklist.ban_counter.values())
        found = await dht.get(key, latest=True) or found
        if sum(dht.blacklist.ban_counter.values()) <= failures:
            break
    return found


def next_expiry(now: float, last_expiry: float) -> float:
    """When the next record of this peer expires: later than its last one, also after its clock was set back.

    The later expiry wins everywhere, so this is what makes the owner's last word count.
    """
    return max(now + LIFETIME_S, min(last_expiry + 0.001, now + MAX_LIFETIME_S - _CLOCK_SLACK_S))


def _shown(announced: Announcement) -> Announcement:
    """Names come from strangers and are shown to people: only what can be printed is kept of them."""
    return msgspec.structs.replace(
        announced, name=_printable(announced.name), model_name=_printable(announced.model_name)
    )


def _printable(text: str) -> str:
    return "".join(character for character in text if character.isprintable())


def _model_key(model: str) -> str:
    return f"meadow/1/model/{model}"
