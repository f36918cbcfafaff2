"""What this computer has to lend, as far as it tells: `GET /api/computer`. For whoever decides whether to share it."""

from __future__ import annotations

from pydantic import BaseModel, Field


class GraphicsCard(BaseModel):
    """One graphics card."""

    name: str
    total_bytes: int | None = Field(description="Its memory; null where it does not tell, or is asleep.")
    free_bytes: int | None


class ComputerOverview(BaseModel):
    """What was found, and what would be lent of it with the present settings if sharing began now."""

    graphics: list[GraphicsCard] = Field(description="All graphics cards that were found.")
    lends_graphics: bool = Field(description="Whether layers would be computed by a graphics card; else the processor.")
    lent_bytes: int = Field(description="Memory that weights and caches may take in all; 0: nobody knows.")
    free_disk_bytes: int | None = Field(description="Where model files lie.")
    idle_s: float = Field(description="For so long nobody may have touched the computer before sharing begins.")
    tells_presence: bool = Field(description="Whether this system tells when it was last used.")
    has_battery: bool = Field(description="Whether it was seen running on, or charging, a battery.")
