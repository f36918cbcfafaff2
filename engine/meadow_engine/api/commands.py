"""The bodies of control-API requests."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

PauseLength = Literal["30m", "1h", "4h", "restart", "resumed"]


class SetSharing(BaseModel):
    """`POST /api/sharing`: begin or end hosting layers for others. Answers with the new `EngineStatus`."""

    model_config = ConfigDict(extra="forbid")

    enabled: bool = Field(description="True to share this computer, false to give its memory back.")


class Pause(BaseModel):
    """`POST /api/pause`: share nothing for a while, and give everything back at once."""

    model_config = ConfigDict(extra="forbid")

    length: PauseLength = Field(default="resumed", description="`restart`: until the engine is started again.")


class ShareAnyway(BaseModel):
    """`POST /api/share-anyway`: let one reason not count for an hour."""

    model_config = ConfigDict(extra="forbid")

    code: str = Field(max_length=64, description="The reason's code, as in `reasons` of the status.")


class ChangeSettings(BaseModel):
    """`PATCH /api/settings`: write values to settings.toml and put them in force; all of them, or none."""

    model_config = ConfigDict(extra="forbid")

    values: dict[str, JsonValue] = Field(description="By name; null goes back to the default.", max_length=100)


class Restarting(BaseModel):
    """The answer to `POST /api/restart`: the engine goes away in a moment, and comes back in the same process."""

    is_restarting: Literal[True] = True
