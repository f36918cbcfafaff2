"""`meadow credits`: what this computer computed for others, and others for it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from meadow_engine.api.contributions import Contributions, DayCount
from meadow_engine.cli.console import DONE
from meadow_engine.cli.engine_api import get
from meadow_engine.cli.options import add_json, places_of

HELP = "show what this computer computed for others, and others for it"

_AVERAGE_DAYS = 7
_SMALLEST = 0.001
_MEANING = (
    "1 credit is 1000 tokens through a billion parameters, as this computer alone has counted them;"
    " credits are no money, cannot be sold, and so far change nothing: nobody is refused or served first for them."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    reply = get(places_of(arguments), f"/api/contributions?days={_AVERAGE_DAYS}")
    contributions = Contributions.model_validate(reply)
    print(contributions.model_dump_json() if arguments.json else describe(contributions))
    return DONE


def describe(contributions: Contributions) -> str:
    """A few lines for people."""
    days, known = contributions.days, contributions
    lines = [
        ("Balance", f"{credit_words(known.balance)} credits"),
        ("Earned", _series_words([day.earned_credits for day in days], known.earned_credits)),
        ("Spent", _series_words([day.spent_credits for day in days], known.spent_credits)),
        ("Helped", _helped_words(known)),
        ("Tokens", _token_words(days)),
        ("Meaning", _MEANING),
    ]
    lines += [("Incomplete", known.explanation)] if known.explanation else []
    return "\n".join(f"{name + ':':<12}{text}" for name, text in lines)


def credit_words(credits: float) -> str:
    """Such as `1,234`, `12.3` or `0.0123`; less than a thousandth is said to be so."""
    size = abs(credits)
    if size == 0:
        return "0"
    if size < _SMALLEST:
        return f"less than {_SMALLEST}" if credits > 0 else f"nearly 0, but below it (-{size:.1g})"
    decimals = 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 1 else 3
    return f"{credits:,.{decimals}f}"


def _series_words(by_day: Sequence[float], total: float) -> str:
    average = sum(by_day) / len(by_day) if by_day else 0.0
    today = by_day[-1] if by_day else 0.0
    return (
        f"{credit_words(today)} today, {credit_words(average)} a day over the last {_AVERAGE_DAYS} days,"
        f" {credit_words(total)} in total"
    )


def _helped_words(known: Contributions) -> str:
    if known.since is None:
        return "nothing was counted yet"
    if known.conversations == 0:
        return f"no conversations of others since {known.since}"
    answers = "answer" if known.conversations == 1 else "answers"
    return (
        f"about {known.conversations:,} {answers} to others since {known.since}, counted as conversations:"
        " one may hold several answers"
    )


def _token_words(days: Sequence[DayCount]) -> str:
    for_others = sum(day.tokens_for_others for day in days)
    by_others = sum(day.tokens_by_others for day in days)
    return f"{for_others:,} computed for others and {by_others:,} by others in the last {_AVERAGE_DAYS} days"
