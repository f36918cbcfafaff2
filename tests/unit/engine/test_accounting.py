"""What hosts and clients say was computed is told in credits, by day and by computer."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from meadow_client.session.swarm_client import Computed
from meadow_engine import accounting as accounting_module
from meadow_engine.accounting import Accounting
from meadow_engine.api.contributions import RowsAsked
from meadow_engine.host.protocol import Helped
from meadow_engine.ledger import Ledger

TODAY = date(2026, 11, 21)
BILLION = 10**9


@dataclass
class Office:
    """An accounting on a real file, at a day that the test chooses."""

    path: Path
    day: date = TODAY
    client: Any = field(default_factory=lambda: SimpleNamespace(on_computed=None))

    def __post_init__(self) -> None:
        self.accounting = Accounting(Ledger(self.path, lambda: self.day), "own host")

    def earn(self, tokens: int, billions: int = 1, conversations: int = 0, peer: str = "anna") -> None:
        self.accounting.earn(Helped("demo", peer, tokens, tokens * billions * BILLION, conversations))

    def spend(
        self, tokens: int, layers: tuple[int, int] = (0, 4), peer: str = "bert", *, is_first: bool = False
    ) -> None:
        self.client.on_computed(Computed(peer, *layers, tokens, is_first))


@pytest.fixture
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Office:
    found = Office(tmp_path / "ledger.sqlite")
    monkeypatch.setattr(accounting_module, "layer_parameters", lambda _description: (BILLION,) * 3 + (2 * BILLION,))
    description: Any = SimpleNamespace(name="demo")
    found.accounting.count_spending(found.client, description)
    return found


def test_a_thousand_tokens_through_a_billion_parameters_are_one_credit(office: Office) -> None:
    office.earn(1000, conversations=1)
    office.spend(1000, (2, 4), is_first=True)
    known = office.accounting.overview(1)
    assert (known.earned_credits, known.spent_credits, known.balance) == (1.0, 3.0, -2.0)
    assert (known.conversations, known.since, known.explanation) == (1, TODAY, "")
    (day,) = known.days
    assert (day.earned_credits, day.spent_credits) == (1.0, 3.0)
    assert (day.tokens_for_others, day.tokens_by_others, day.conversations) == (1000, 1000, 1)


def test_a_token_is_spent_once_for_each_computer_that_it_passes(office: Office) -> None:
    office.spend(10, (0, 2), "bert")
    office.spend(10, (2, 4), "cleo")
    assert office.accounting.overview(1).days[0].tokens_by_others == 20


def test_the_own_host_is_neither_paid_nor_does_it_earn(office: Office) -> None:
    office.spend(10, peer="own host")
    assert office.accounting.rows(RowsAsked()) == []


def test_help_for_no_token_is_not_counted(office: Office) -> None:
    office.earn(0, conversations=1)
    assert office.accounting.overview(1).since is None


def test_before_anything_was_counted_everything_is_zero(office: Office) -> None:
    known = office.accounting.overview(3)
    assert (known.earned_credits, known.spent_credits, known.balance, known.conversations) == (0, 0, 0, 0)
    assert [day.day for day in known.days] == [TODAY - timedelta(days=2), TODAY - timedelta(days=1), TODAY]
    assert (known.since, known.explanation) == (None, "")


def test_days_come_in_their_order_those_without_a_count_too_and_totals_are_over_all(office: Office) -> None:
    for days_ago, tokens in ((40, 5000), (2, 2000), (0, 1000)):
        office.day = TODAY - timedelta(days=days_ago)
        office.earn(tokens, conversations=1)
    known = office.accounting.overview(4)
    assert [day.earned_credits for day in known.days] == [0, 2, 0, 1]
    assert known.days[-1].day == TODAY
    assert (known.earned_credits, known.conversations, known.since) == (8, 3, TODAY - timedelta(days=40))


def test_many_small_counts_add_up_to_what_they_are(office: Office) -> None:
    for _ in range(1000):
        office.accounting.earn(Helped("demo", "anna", 1, 499_500, 0))
    assert office.accounting.overview(1).earned_credits == pytest.approx(499_500 * 1000 / 10**12)


@pytest.fixture
def busy(office: Office) -> Office:
    for days_ago in (2, 1, 0):
        office.day = TODAY - timedelta(days=days_ago)
        office.earn(1000 + days_ago, conversations=1)
        office.earn(500, peer="cleo")
        office.spend(100, is_first=True)
    return office


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        (RowsAsked(), [(d, p) for d in (0, 1, 2) for p in ("anna", "cleo", "bert")]),
        (RowsAsked(limit=2), [(0, "anna"), (0, "cleo")]),
        (RowsAsked(limit=2, offset=2), [(0, "bert"), (1, "anna")]),
        (RowsAsked(offset=9), []),
        (RowsAsked(peer="cleo"), [(0, "cleo"), (1, "cleo"), (2, "cleo")]),
        (RowsAsked(direction="spent", since=TODAY - timedelta(days=1)), [(0, "bert"), (1, "bert")]),
        (RowsAsked(model="demo", limit=1), [(0, "anna")]),
        (RowsAsked(model="dem"), []),
        (RowsAsked(peer="' OR 1=1 --"), []),
        (RowsAsked(since=TODAY + timedelta(days=1)), []),
    ],
    ids=str,
)
def test_rows_are_those_that_were_asked_for_the_latest_day_first(
    busy: Office, asked: RowsAsked, found: list[tuple[int, str]]
) -> None:
    assert [((TODAY - row.day).days, row.peer) for row in busy.accounting.rows(asked)] == found


def test_a_row_says_what_was_counted(busy: Office) -> None:
    (row,) = busy.accounting.rows(RowsAsked(direction="spent", limit=1))
    assert (row.day, row.model, row.peer, row.direction) == (TODAY, "demo", "bert", "spent")
    assert (row.tokens, row.credits, row.conversations) == (100, 0.5, 1)


def test_it_says_when_the_file_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where the folder should be")
    office = Office(tmp_path / "data" / "ledger.sqlite")
    office.earn(1000)
    known = office.accounting.overview(1)
    assert known.earned_credits == 1.0
    assert known.explanation.startswith("The ledger's file cannot be used now (")
    assert known.explanation.endswith("until it can.")
