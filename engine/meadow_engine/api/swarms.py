"""The swarms that this computer keeps: `GET /api/swarms`, and `POST /api/swarms/new`, `/join`, `/use` and `/leave`.

One is in use. The default one is always there: what `initial_peers` of the settings names, or this computer alone.
Whoever has an invitation or an address of a swarm can join it; there is no password.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

DEFAULT_SWARM = "default"

SwarmName = Annotated[
    str,
    Field(
        min_length=1,
        max_length=40,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]*$",
        description="Letters, digits, spaces, dots, dashes and underscores.",
    ),
]


class NewSwarm(BaseModel):
    """`POST /api/swarms/new`: this computer becomes the first of a swarm. Answers with `SwarmsOverview`."""

    model_config = ConfigDict(extra="forbid")

    name: SwarmName | None = None


class JoinSwarm(BaseModel):
    """`POST /api/swarms/join`: use the swarm of an invitation from now on. Answers with `SwarmsOverview`."""

    model_config = ConfigDict(extra="forbid")

    invitation: str = Field(max_length=8192, description="A meadow:// link, or the address of one computer.")
    name: SwarmName | None = None


class UseSwarm(BaseModel):
    """`POST /api/swarms/use`: go back to a swarm that is kept. Answers with `SwarmsOverview`."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(max_length=40, description="As in `swarms` of the overview; the default one, too.")


class LeaveSwarm(BaseModel):
    """`POST /api/swarms/leave`: forget a swarm; the default one is used if it was in use."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(max_length=40)


class SwarmEntry(BaseModel):
    """One swarm that is kept."""

    name: str
    is_default: bool = Field(description="The one that the settings name; it cannot be left.")
    is_in_use: bool = Field(description="The one that is meant to be used; see `needs_restart`.")
    is_own: bool = Field(description="Made here: this computer is its first.")
    invitation: str = Field(description="What others paste to join; empty where no address is known.")
    computers: int | None = Field(
        description="Other computers that are connected now; null for a swarm in which no engine of this computer is."
    )


class SwarmsOverview(BaseModel):
    """All swarms that are kept, the default one first."""

    swarms: list[SwarmEntry]
    needs_restart: bool = Field(
        description="Whether the engine is still in another swarm than the one in use; `POST /api/restart` ends that."
    )
