"""Who holds what in the swarm: `GET /api/swarm`, the app's picture of it, and `meadow swarm status --json`."""

from __future__ import annotations

from pydantic import BaseModel, Field

from meadow_engine.api.status import ModelStatus, Span


class SwarmServer(BaseModel):
    """One computer and the layers [start, end) that it holds."""

    peer: str = Field(description="Its libp2p peer id, base58.")
    name: str = Field(description="What its owner calls it; may be anything.")
    start: int
    end: int
    version: str = Field(description="Of its Meadow.")
    dtype: str = Field(description="In which its layers compute, such as `bfloat16`.")
    tokens_per_second: float | None = Field(description="Through its own layers alone; null: not measured yet.")
    latency_s: float | None = Field(
        default=None, description="A message's way there and back, as this engine measured it; null: it did not."
    )
    is_own: bool = Field(default=False, description="Whether this engine hosts these layers.")


class ChainPart(BaseModel):
    """One computer's part of a chain: layers [start, end)."""

    peer: str
    name: str
    start: int
    end: int


class ModelOverview(BaseModel):
    """One model of the swarm. `coverage` has one number for each layer: how many servers hold it now."""

    id: str = Field(description="The name to use as `model` in /v1 requests: no two models share it.")
    name: str = Field(description="What people call it.")
    fingerprint: str = Field(description="What the swarm calls it; the same for the same weights.")
    short_fingerprint: str = Field(description="The beginning of it, for people.")
    num_layers: int
    context_length: int
    coverage: list[int]
    missing: list[Span] = Field(description="Layers that nobody holds.")
    is_complete: bool = Field(description="True when every layer is held by at least one server.")
    tokens_per_second: float | None = Field(description="What the chain should give; null while layers are missing.")
    chain: list[ChainPart] | None = Field(description="The best chain now; null while layers are missing.")
    servers: list[SwarmServer] = Field(description="In the order of their layers.")

    def status(self) -> ModelStatus:
        """The same in short, as `GET /api/models` has it."""
        return ModelStatus(
            id=self.id,
            num_layers=self.num_layers,
            coverage=self.coverage,
            servers=len(self.servers),
            context_length=self.context_length,
            is_complete=self.is_complete,
        )


class SwarmOverview(BaseModel):
    """All models: this engine's own first, then those it has files of, then the others by name."""

    models: list[ModelOverview]
