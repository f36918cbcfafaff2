"""What this computer computed for others, and others for it: the answers of `/api/contributions`.

1 credit is 1000 tokens x 10^9 parameters: a thousand tokens through layers with a billion parameters in all. These are
counts that this computer made by itself. Nobody else has confirmed them, and they are no money.
"""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Direction = Literal["earned", "spent"]
"""Earned: computed here for others. Spent: computed by others for this computer's own chat and programs."""

MOST_DAYS = 3660


class DayCount(BaseModel):
    """One day of this computer's calendar."""

    day: date
    earned_credits: float
    spent_credits: float
    tokens_for_others: int = Field(description="Tokens that passed through layers held here, for other computers.")
    tokens_by_others: int = Field(
        description="Tokens of this computer that passed through others, once for each of them that a token met."
    )
    conversations: int = Field(description="Conversations of others that were first helped on this day.")


class Contributions(BaseModel):
    """Over all days that are known, and the last days one by one."""

    earned_credits: float
    spent_credits: float
    balance: float = Field(description="Earned less spent; may be below zero.")
    conversations: int = Field(
        description="Conversations of others that were helped: sessions in which at least one token was computed here."
    )
    since: date | None = Field(description="The first day on which anything was counted; null if there is none.")
    days: list[DayCount] = Field(description="The last days up to today, oldest first, also those without a count.")
    explanation: str = Field(default="", description="Why these numbers may be incomplete; empty if they are not.")


class RowsAsked(BaseModel):
    """The query of `GET /api/contributions/rows`; a condition that is left out is none."""

    model_config = ConfigDict(extra="forbid")

    since: date | None = Field(default=None, description="From this day on, as in 2026-11-21.")
    model: str | None = Field(default=None, max_length=200)
    peer: str | None = Field(default=None, max_length=200)
    direction: Direction | None = None
    limit: int = Field(default=100, ge=1, le=1000)
    offset: int = Field(default=0, ge=0, le=10**9)


class ContributionRow(BaseModel):
    """What was counted on one day, for one model, with one other computer."""

    day: date
    model: str
    peer: str = Field(description="The other computer's peer id: who asked (earned), or who computed (spent).")
    direction: Direction
    tokens: int
    credits: float
    conversations: int = Field(description="Conversations that began on this day, as far as that computer knows them.")
