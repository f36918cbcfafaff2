"""What was computed for whom is told for days, and row by row as a query chooses."""

from __future__ import annotations

from datetime import date

import httpx
import pytest

from fakes.noting_engine import CONTRIBUTIONS, ROW, NotingEngine, problem_of
from meadow_engine.api.contributions import ContributionRow, Contributions, RowsAsked


@pytest.mark.parametrize(("query", "days"), [("", 30), ("?days=7", 7), ("?days=3660", 3660)])
async def test_contributions_are_told_for_as_many_days_as_are_asked_for(
    http: httpx.AsyncClient, engine: NotingEngine, query: str, days: int
) -> None:
    reply = await http.get(f"/api/contributions{query}")
    assert Contributions.model_validate_json(reply.content) == CONTRIBUTIONS
    assert engine.asked == [("contributions", days)]


async def test_rows_of_contributions_are_chosen_by_the_query(http: httpx.AsyncClient, engine: NotingEngine) -> None:
    query = "since=2026-11-01&model=demo&peer=anna&direction=earned&limit=5&offset=10"
    reply = await http.get(f"/api/contributions/rows?{query}")
    assert [ContributionRow.model_validate(row) for row in reply.json()] == [ROW]
    await http.get("/api/contributions/rows")
    asked = RowsAsked(since=date(2026, 11, 1), model="demo", peer="anna", direction="earned", limit=5, offset=10)
    assert engine.asked == [("rows", asked), ("rows", RowsAsked())]


@pytest.mark.parametrize(
    "path",
    [
        "?days=0",
        "?days=3661",
        "?days=many",
        "/rows?since=yesterday",
        "/rows?since=2026-11-31",
        "/rows?direction=given",
        "/rows?limit=0",
        "/rows?limit=1001",
        "/rows?offset=-1",
        "/rows?offset=99999999999999999999",
        f"/rows?peer={'x' * 201}",
        "/rows?colour=green",
    ],
)
async def test_what_cannot_be_asked_of_contributions_is_refused(
    http: httpx.AsyncClient, engine: NotingEngine, path: str
) -> None:
    reply = await http.get(f"/api/contributions{path}")
    assert (reply.status_code, problem_of(reply).code, engine.asked) == (400, "invalid-request", [])
