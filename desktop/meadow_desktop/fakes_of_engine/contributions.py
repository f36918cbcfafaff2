"""What a fake engine says it counted: a month with quiet and busy days, the same every time."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta

from meadow_desktop.fakes_of_engine.asked import Routes
from meadow_engine.api.contributions import ContributionRow, Contributions, DayCount

_PEERS = ("12D3KooWFakeAttic000000000000000000000000000000attic", "12D3KooWFakeDesk20000000000000000000000000000desk2")


def contribution_routes(model: str) -> Routes:
    """Who answers what."""
    return {
        ("GET", "/api/contributions"): lambda asked: fake_contributions(asked.query, datetime.now().date()),
        ("GET", "/api/contributions/rows"): lambda asked: fake_rows(asked.query, datetime.now().date(), model),
    }


def fake_contributions(query: Mapping[str, str], today: date) -> Contributions:
    """As `GET /api/contributions?days=N` has it."""
    days = int(query.get("days", "30"))
    counts = [_day(today - timedelta(days=ago)) for ago in reversed(range(days))]
    earned, spent = sum(each.earned_credits for each in counts), sum(each.spent_credits for each in counts)
    return Contributions(
        earned_credits=earned,
        spent_credits=spent,
        balance=earned - spent,
        conversations=sum(each.conversations for each in counts),
        since=counts[0].day if counts else None,
        days=counts,
    )


def fake_rows(query: Mapping[str, str], today: date, model: str) -> list[ContributionRow]:
    """As `GET /api/contributions/rows` has it, with its filters."""
    rows: list[ContributionRow] = []
    for ago in range(30):
        count = _day(today - timedelta(days=ago))
        for direction, credits, tokens in (
            ("earned", count.earned_credits, count.tokens_for_others),
            ("spent", count.spent_credits, count.tokens_by_others),
        ):
            peer = _PEERS[(ago + (direction == "spent")) % 2]
            row = {"day": count.day, "model": model, "peer": peer, "direction": direction, "tokens": tokens}
            if tokens and all(query.get(name, row[name]) == row[name] for name in ("model", "peer", "direction")):
                made = {**row, "credits": credits, "conversations": count.conversations}
                rows.append(ContributionRow.model_validate(made))
    offset, limit = int(query.get("offset", "0")), int(query.get("limit", "100"))
    return rows[offset : offset + limit]


def _day(day: date) -> DayCount:
    wave = (day.toordinal() * 37) % 11
    earned = 0 if wave < 3 else wave * 4100
    spent = 0 if wave % 3 else 1000 + wave * 700
    return DayCount(
        day=day,
        earned_credits=earned * 0.00021,
        spent_credits=spent * 0.00021,
        tokens_for_others=earned,
        tokens_by_others=spent,
        conversations=earned // 900,
    )
