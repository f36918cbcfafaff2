"""The bodies of control-API requests."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class SetSharing(BaseModel):
    """`POST /api/sharing`: begin or end hosting layers for others. Answers with the new `EngineStatus`."""

    model_config = ConfigDict(extra="forbid")

    enabled: bool = Field(description="True to share this computer, false to give its memory back.")
