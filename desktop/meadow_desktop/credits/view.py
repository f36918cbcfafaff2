"""What this computer gave and took, in words and figures: nothing is shown that the engine did not count. Pure.

1 credit is 1000 tokens through layers with 10^9 parameters in all.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from meadow_desktop.language import _, in_figures, ngettext
from meadow_desktop.phrases import as_sentence, short_model_name
from meadow_engine.api.contributions import ContributionRow, Contributions, DayCount

WEEK_DAYS = 7


@dataclass(frozen=True)
class FigureView:
    """One of the figures at the top: a title, the figure, and a line below it."""

    title: str
    figure: str
    note: str


@dataclass(frozen=True)
class DayView:
    """One day of the plot; `words` are for the pointer and for those who do not see it."""

    label: str
    earned: float
    spent: float
    words: str


@dataclass(frozen=True)
class RowView:
    """One line of the table."""

    day: str
    model: str
    peer: str
    direction: str
    tokens: str
    credits: str
    conversations: str
    whole_peer: str


@dataclass(frozen=True)
class CreditsView:
    """The page's upper half. `helped` says in a person's words what was given; `note` why figures may be incomplete."""

    figures: tuple[FigureView, ...]
    helped: str
    days: tuple[DayView, ...]
    most: float
    note: str


def present_credits(counted: Contributions) -> CreditsView:
    """Figures and days. Averages are over the last seven days, today among them."""
    week = counted.days[-WEEK_DAYS:]
    return CreditsView(
        figures=(
            FigureView(_("Balance"), describe_credits(counted.balance), _("earned less spent")),
            _figure(_("Earned"), counted.earned_credits, [day.earned_credits for day in week]),
            _figure(_("Spent"), counted.spent_credits, [day.spent_credits for day in week]),
        ),
        helped=_describe_help(counted),
        days=tuple(present_day(day) for day in counted.days),
        most=max((max(day.earned_credits, day.spent_credits) for day in counted.days), default=0.0),
        note=as_sentence(counted.explanation),
    )


def present_day(day: DayCount) -> DayView:
    """One day in words."""
    words = _("{day}: {earned} earned, {spent} spent").format(
        day=describe_day(day.day),
        earned=describe_credits(day.earned_credits),
        spent=describe_credits(day.spent_credits),
    )
    return DayView(describe_day(day.day), day.earned_credits, day.spent_credits, words)


def present_row(row: ContributionRow) -> RowView:
    """One count in words."""
    return RowView(
        day=describe_day(row.day),
        model=short_model_name(row.model),
        peer="…" + row.peer[-8:],
        direction=_("earned") if row.direction == "earned" else _("spent"),
        tokens=in_figures(f"{row.tokens:,}"),
        credits=describe_credits(row.credits),
        conversations=in_figures(f"{row.conversations:,}"),
        whole_peer=row.peer,
    )


def as_csv(rows: Sequence[ContributionRow]) -> str:
    """All counts for a spreadsheet; names of columns are the API's, whatever the language."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["day", "direction", "model", "peer", "tokens", "credits", "conversations"])
    for row in rows:
        what = [row.day.isoformat(), row.direction, _harmless(row.model), row.peer]
        writer.writerow([*what, row.tokens, row.credits, row.conversations])
    return file.getvalue()


def describe_credits(credits: float) -> str:
    """Three figures are enough for a person: 0, 0.00123, 4.56, 1,234."""
    size = abs(credits)
    if size == 0:
        return "0"
    sign = "−" if credits < 0 else ""
    if size >= 100:
        return in_figures(f"{sign}{size:,.0f}")
    if size < 0.00001:
        return in_figures(f"{sign}<0.00001")
    digits = 1 if size >= 10 else 2 if size >= 1 else 3 if size >= 0.1 else 5
    words = f"{size:.{digits}f}"
    return in_figures(sign + (words.rstrip("0") if size < 0.1 else words))


def describe_day(day: date) -> str:
    """As 2026-11-21, which every country reads alike."""
    return day.isoformat()


def explain_credits() -> str:
    """What credits are, do and do not do."""
    return _(
        "One credit is a thousand tokens computed through a billion parameters. Credits are no money, and nobody is "
        "refused for having none. These figures are what this computer counted by itself; other computers have not "
        "confirmed them."
    )


def _figure(title: str, total: float, week: Sequence[float]) -> FigureView:
    today, mean = week[-1] if week else 0.0, sum(week) / WEEK_DAYS
    note = _("today {today} · 7-day average {mean}").format(today=describe_credits(today), mean=describe_credits(mean))
    return FigureView(title, describe_credits(total), note)


def _describe_help(counted: Contributions) -> str:
    if not counted.conversations:
        return _("This computer has not helped with a conversation yet. Share it, and what it gives appears here.")
    helped = ngettext("About {n} conversation helped", "About {n} conversations helped", counted.conversations).format(
        n=in_figures(f"{counted.conversations:,}")
    )
    return helped if counted.since is None else _("{helped} since {day}").format(
        helped=helped, day=describe_day(counted.since)
    )  # fmt: skip


def _harmless(text: str) -> str:
    """A name that a stranger chose must not become a formula in somebody's spreadsheet."""
    return "'" + text if text[:1] in {"=", "+", "-", "@", "\t", "\r"} else text
