"""Whether Meadow's app starts when this person logs in: `GET /api/autostart`, and `POST` to switch it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class AutostartStatus(BaseModel):
    """As the system has it now; it may have been switched outside Meadow."""

    is_on: bool
    is_possible: bool = Field(description="False where this system, or this installation, has no way to start the app.")
    description: str = Field(description="One line for people: which entry does it, or why it is not possible.")


class SetAutostart(BaseModel):
    """`POST /api/autostart`: start the app at every login from now on, or no longer."""

    model_config = ConfigDict(extra="forbid")

    enabled: bool
