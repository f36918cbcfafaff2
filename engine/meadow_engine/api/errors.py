"""How the control API tells a program that something could not be done."""

from __future__ import annotations

from pydantic import BaseModel, Field


class Problem(BaseModel):
    """The body of every control-API answer whose status is 400 or above."""

    code: str = Field(description="Stable name for programs, such as `layers-missing`.")
    message: str = Field(description="One sentence for people.")
    advice: str = Field(default="", description="What the person can do about it; may be empty.")
