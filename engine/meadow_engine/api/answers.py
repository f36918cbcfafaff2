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


class AnswerOrigin(BaseModel):
    """Who answered, and how fast."""

    chain: list[ChainLink]
    tokens_per_second: float = Field(description="New tokens after the first, per second; 0 for one token.")
    first_token_s: float = Field(description="Seconds from the request to the first token.")


class Waiting(BaseModel):
    """The answer has not begun: no server holds some layers yet."""

    waiting: str = Field(description="One sentence: which layers are missing and how long the wait may last.")
