"""What an engine and its host process say to each other: one JSON object on each line of stdin and stdout.

The engine begins with an `Order`, may change its `Limits`, and may say `Leave` once. The host tells how far it is, and
says `Ending` when somebody else had it end. The end of stdin means that the engine is gone.
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
    models_bytes: int = 0
    """The most that model files may take of the disk; 0: no limit."""


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
    parameters: int = 0
    """How many the layers have together (`meadow_client/models/parameters.py`)."""


class Served(msgspec.Struct, frozen=True, tag="served"):
    """Conversations that are served now; tokens, and bytes sent and received for others, since the beginning."""

    sessions: int
    tokens: int
    sent_bytes: int = 0
    received_bytes: int = 0


class Helped(msgspec.Struct, frozen=True, tag="helped"):
    """What was computed for one client since the last such report.

    `work` is tokens times the parameters of the layers that they passed through; `conversations` counts those that
    began.
    """

    model: str
    peer: str
    tokens: int
    work: int
    conversations: int


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """An expected error, after which the host ends."""

    code: str
    message: str
    advice: str


class Ending(msgspec.Struct, frozen=True, tag="ending"):
    """Somebody sent the host SIGTERM, as a task manager does: it hands conversations over, and ends."""


Command = Order | Limits | Leave
Report = Loading | Serving | Served | Helped | Failed | Ending

encode = msgspec.json.Encoder().encode
command_decoder: msgspec.json.Decoder[Command] = msgspec.json.Decoder(Command)
report_decoder: msgspec.json.Decoder[Report] = msgspec.json.Decoder(Report)
