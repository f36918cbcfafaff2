"""The engine's state as one value: `GET /api/status`, and every `status` event of `GET /api/events`."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

SharingState = Literal["off", "starting", "sharing", "stopping", "failed"]


class Span(BaseModel):
    """Consecutive layers [start, end) of a model that a server holds."""

    start: int
    end: int


class ModelStatus(BaseModel):
    """One model of the swarm and how well its layers are covered.

    `coverage` has one number for each layer: how many servers hold it now.
    """

    id: str = Field(description="The name to use as `model` in /v1 requests.")
    num_layers: int
    coverage: list[int]
    servers: int
    context_length: int
    is_complete: bool = Field(description="True when every layer is held by at least one server.")


class EngineStatus(BaseModel):
    """What the tray and `meadow status` show."""

    version: str
    pid: int
    peer: str = Field(description="This engine's libp2p peer id, base58.")
    name: str = Field(description="The public name other people see.")
    address: list[str] = Field(description="Multiaddresses where other peers reach this engine.")
    uptime_s: float
    device: str = Field(description="cpu, cuda, cuda:1, mps")
    sharing: SharingState
    sharing_detail: str = Field(default="", description="One line for people: why sharing is in this state.")
    model: str = Field(description="The model this engine is set to use; an id as in /v1/models.")
    span: Span | None = Field(default=None, description="The layers hosted here, while sharing.")
    sessions: int = Field(default=0, description="Conversations of other peers that are served now.")
    tokens_served: int = Field(default=0, description="Tokens computed for others since the engine started.")
    peers: int = Field(default=0, description="Other peers this engine knows.")
    base_url: str = Field(description="Base URL of the OpenAI-compatible server, ending in /v1.")
