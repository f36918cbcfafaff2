"""The engine's state as one value: `GET /api/status`, and every `status` event of `GET /api/events`."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

SharingState = Literal["off", "waiting", "paused", "starting", "sharing", "stopping", "failed"]
"""`off`: the person has not agreed to share; `waiting`: something speaks against it now, such as the person's presence;
`paused`: the person said so, for a while; the others are what they are called."""


class WhyNot(BaseModel):
    """One reason not to share now. All codes and what they mean are in docs/sharing.md."""

    code: str
    sentence: str = Field(description="For people; one or two sentences.")
    template: str = Field(default="", description="The sentence before `words` were put into it, for translators.")
    words: dict[str, str] = Field(default={}, description="What `template` names in braces.")
    may_end_s: float | None = Field(description="Seconds until it ends if nothing else happens; null: nobody can say.")
    can_share_anyway: bool = Field(description="Whether `POST /api/share-anyway` lets it not count for an hour.")


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
    is_sharing_allowed: bool = Field(default=False, description="The person's consent: the setting `share`.")
    sharing: SharingState
    sharing_detail: str = Field(default="", description="One line for people: why sharing is in this state.")
    reasons: list[WhyNot] = Field(default=[], description="Why nothing is shared now, the most important first.")
    may_begin_s: float | None = Field(
        default=None, description="Seconds until sharing may begin if nothing else happens; null: nobody can say."
    )
    advice: str = Field(default="", description="What the person should know or do about sharing; empty if nothing.")
    problems: list[str] = Field(default=[], description="What is wrong with the settings, as sentences.")
    model: str = Field(description="The model this engine is set to use; an id as in /v1/models.")
    span: Span | None = Field(default=None, description="The layers hosted here, while sharing.")
    sessions: int = Field(default=0, description="Conversations of other peers that are served now.")
    tokens_served: int = Field(default=0, description="Tokens computed for others since the engine started.")
    sent_bytes: int = Field(default=0, description="Sent for others in this calendar month, over all restarts.")
    received_bytes: int = Field(default=0, description="Received for others in this calendar month.")
    peers: int = Field(default=0, description="Other peers this engine knows.")
    base_url: str = Field(description="Base URL of the OpenAI-compatible server, ending in /v1.")
