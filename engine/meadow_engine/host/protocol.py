"""What an engine and its host process say to each other: one JSON object on each line of stdin and stdout.

The engine begins with an `Order`, may change its `Limits`, and may say `Leave` once. The host tells how far it is. The
end of stdin means that the engine is gone.
"""

from __future__ import annotations

import msgspec


class Order(msgspec.Struct, frozen=True, tag="order"):
    """What to host; the members are those of the settings with the same names."""

    model: str
    layers: str
    device: str
    dtype: str
    quantization: str
    public_name: str
    initial_peers: list[str]
    listen: list[str]
    identity_file: str
    memory_bytes: int = 0
    """Of the device's memory no more than this for weights and caches; 0: no limit but what is free."""
    compute_share: float = 1.0
    """The part of the time in which the device may compute."""
    upload_bytes_s: float = 0.0
    """The most that is sent to others in a second; 0: no limit."""
    own_peer: str = ""
    """The engine itself: what it gets and sends is neither limited nor counted."""


class Limits(msgspec.Struct, frozen=True, tag="limits"):
    """From now on these count instead of those of the order."""

    compute_share: float
    upload_bytes_s: float


class Leave(msgspec.Struct, frozen=True, tag="leave"):
    """Hand conversations over within so many seconds, and end."""

    within_s: float


class Loading(msgspec.Struct, frozen=True, tag="loading"):
    """The model is known, and the swarm is reached; its layers are being read."""

    model: str


class Serving(msgspec.Struct, frozen=True, tag="serving"):
    """Layers [start, end) are served at these addresses."""

    model: str
    start: int
    end: int
    peer: str
    address: list[str]


class Served(msgspec.Struct, frozen=True, tag="served"):
    """Conversations that are served now; tokens, and bytes sent and received for others, since the beginning."""

    sessions: int
    tokens: int
    sent_bytes: int = 0
    received_bytes: int = 0


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """An expected error, after which the host ends."""

    code: str
    message: str
    advice: str


Command = Order | Limits | Leave
Report = Loading | Serving | Served | Failed

encode = msgspec.json.Encoder().encode
command_decoder: msgspec.json.Decoder[Command] = msgspec.json.Decoder(Command)
report_decoder: msgspec.json.Decoder[Report] = msgspec.json.Decoder(Report)
