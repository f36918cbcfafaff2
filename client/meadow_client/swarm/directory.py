"""What servers announce and how clients read it.

Two DHT keys hold one signed record for each server: one for the model it serves (what a client reads to find a
chain) and one for all models (what `meadow models` reads). Records live 45 s and are renewed every 15 s; a server
that leaves withdraws its own at once.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from hivemind.dht.node import DHTNode
from hivemind.utils.timed_storage import get_dht_time

from meadow_client.wire.messages import MAX_LAYERS, MAX_TOKENS

LIFETIME_S = 45.0
RENEW_S = 15.0
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
    """Reads and writes announcements on one DHT node."""

    def __init__(self, dht: DHTNode, peer: str) -> None:
        self._dht = dht
        self._peer = peer

    async def announce(self, announcement: Announcement) -> bool:
        """Publish or renew this peer's record for LIFETIME_S. False when no node took it."""
        expiry = get_dht_time() + LIFETIME_S
        keys = [_model_key(announcement.model), _ALL_MODELS]
        stored = await self._dht.store_many(
            keys=keys,
            values=[_encoder.encode(announcement)] * len(keys),
            expiration_time=expiry,
            subkeys=[self._peer] * len(keys),
        )
        return all(stored.values())

    async def withdraw(self, announcement: Announcement) -> bool:
        """Replace this peer's record by one that serves nothing."""
        return await self.announce(msgspec.structs.replace(announcement, start=0, end=0))

    async def servers(self, model: str) -> list[Server]:
        """The servers that hold layers of the model with this fingerprint, in no order."""
        return [server for server in await self._read(_model_key(model)) if server.announced.model == model]

    async def all_servers(self) -> list[Server]:
        """The servers of all models."""
        return await self._read(_ALL_MODELS)

    async def _read(self, key: str) -> list[Server]:
        found = await self._dht.get(key, latest=True)
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


def _shown(announced: Announcement) -> Announcement:
    """Names come from strangers and are shown to people: only what can be printed is kept of them."""
    return msgspec.structs.replace(
        announced, name=_printable(announced.name), model_name=_printable(announced.model_name)
    )


def _printable(text: str) -> str:
    return "".join(character for character in text if character.isprintable())


def _model_key(model: str) -> str:
    return f"meadow/1/model/{model}"
