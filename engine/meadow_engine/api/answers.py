"""What Meadow adds to OpenAI's answers.

The last chunk of a streamed chat completion, and a completion that is not streamed, carry a member `meadow`
beside OpenAI's own members: an `AnswerOrigin`. Programs that do not know it ignore it. While an answer waits
for missing layers, chunks with empty deltas carry `meadow` as a `Waiting`.
"""

from __future__ import annotations

from pydantic import BaseModel, Field


class ChainLink(BaseModel):
    """One server that computed a part of the answer: its layers [start, end)."""

    peer: str
    name: str
    start: int
    end: int


class Replacement(BaseModel):
    """Computers that were lost in mid-answer, by their names, and those that took over."""

    lost: list[str]
    instead: list[str]
    seconds: float = Field(description="How long the answer stood still.")
    is_planned: bool = Field(False, description="The computer left on purpose and handed over what it had.")


class AnswerOrigin(BaseModel):
    """Who answered, and how fast."""

    chain: list[ChainLink]
    tokens_per_second: float = Field(description="New tokens after the first, per second; 0 for one token.")
    first_token_s: float = Field(description="Seconds from the request to the first token.")
    recoveries: list[Replacement] = []


class Waiting(BaseModel):
    """The answer waits: no server holds some layers now."""

    waiting: str = Field(description="One sentence: which layers are missing and how long the wait may last.")
