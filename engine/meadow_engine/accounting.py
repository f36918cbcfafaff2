"""From what the host process and the client's sessions say was computed to the ledger, and from there to the API.

A token counts when it has passed through layers, whatever it was for: the prompt, the answer, a guess that turned out
wrong, what was computed anew after a loss. Both sides count alike: a server when a step is done, its client when the
step's answer arrives. So they differ by steps that broke off on the way, and by nothing else.

What this computer's own host computes for the person's own chat is neither earned nor spent.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from functools import partial

from meadow_client.models.description import ModelDescription
from meadow_client.models.parameters import layer_parameters
from meadow_client.session.swarm_client import Computed, SwarmClient
from meadow_engine.api.contributions import ContributionRow, Contributions, DayCount, RowsAsked
from meadow_engine.host.protocol import Helped
from meadow_engine.ledger import NANOCREDITS, Count, Ledger

_TOTALS = """SELECT MIN(day),
    SUM(IIF(direction = 'earned', nanocredits, 0)), SUM(IIF(direction = 'spent', nanocredits, 0)),
    SUM(IIF(direction = 'earned', conversations, 0)) FROM known"""
_DAYS = """SELECT day,
    SUM(IIF(direction = 'earned', nanocredits, 0)), SUM(IIF(direction = 'spent', nanocredits, 0)),
    SUM(IIF(direction = 'earned', tokens, 0)), SUM(IIF(direction = 'spent', tokens, 0)),
    SUM(IIF(direction = 'earned', conversations, 0))
    FROM known WHERE day BETWEEN ? AND ? GROUP BY day"""
_ROWS = """SELECT day, model, peer, direction, SUM(tokens), SUM(nanocredits), SUM(conversations)
    FROM known {where} GROUP BY day, model, peer, direction
    ORDER BY day DESC, direction, SUM(nanocredits) DESC, model, peer LIMIT ? OFFSET ?"""


class Accounting:
    """`own_host` is the peer id of this computer's host process. `earn` is for the event loop, the rest for threads."""

    def __init__(self, ledger: Ledger, own_host: str) -> None:
        self._ledger = ledger
        self._own_host = own_host

    def earn(self, helped: Helped) -> None:
        """The host process has computed for another computer."""
        if helped.tokens > 0:
            count = Count(helped.model, helped.peer, "earned", helped.tokens, helped.work, helped.conversations)
            self._ledger.add(count)

    def count_spending(self, client: SwarmClient, description: ModelDescription) -> None:
        """From now on, what servers compute for this client's sessions is spent. To be called before its first one.

        Raises: as `layer_parameters`.
        """
        client.on_computed = partial(self._spend, description.name, layer_parameters(description))

    def _spend(self, model: str, parameters: Sequence[int], computed: Computed) -> None:
        if computed.peer != self._own_host:
            work = computed.tokens * sum(parameters[computed.start : computed.end])
            self._ledger.add(Count(model, computed.peer, "spent", computed.tokens, work, int(computed.is_first)))

    def overview(self, days: int) -> Contributions:
        """Everything that was counted, and the last `days` days."""
        today = self._ledger.today()
        first = today - timedelta(days=days - 1)
        totals, why = self._ledger.read(_TOTALS)
        by_day, why_no_days = self._ledger.read(_DAYS, (first.isoformat(), today.isoformat()))
        ((since, earned, spent, conversations),) = totals
        counted = {date.fromisoformat(row[0]): _day(*row) for row in by_day}
        every_day = (first + timedelta(days=number) for number in range(days))
        return Contributions(
            earned_credits=_credits(earned),
            spent_credits=_credits(spent),
            balance=_credits((earned or 0) - (spent or 0)),
            conversations=conversations or 0,
            since=date.fromisoformat(since) if since else None,
            days=[counted.get(day) or _day(day.isoformat()) for day in every_day],
            explanation=_sentence(why or why_no_days),
        )

    def rows(self, asked: RowsAsked) -> list[ContributionRow]:
        """The latest days first, and of each day what counted most."""
        conditions = {
            "day >= ?": asked.since.isoformat() if asked.since else None,
            "model = ?": asked.model,
            "peer = ?": asked.peer,
            "direction = ?": asked.direction,
        }
        given = {condition: value for condition, value in conditions.items() if value is not None}
        where = f"WHERE {' AND '.join(given)}" if given else ""
        found, _why = self._ledger.read(_ROWS.format(where=where), (*given.values(), asked.limit, asked.offset))
        return [
            ContributionRow(
                day=date.fromisoformat(day),
                model=model,
                peer=peer,
                direction=direction,
                tokens=tokens,
                credits=_credits(nanocredits),
                conversations=conversations,
            )
            for day, model, peer, direction, tokens, nanocredits, conversations in found
        ]


def _day(
    day: str, earned: int = 0, spent: int = 0, for_others: int = 0, by_others: int = 0, conversations: int = 0
) -> DayCount:
    return DayCount(
        day=date.fromisoformat(day),
        earned_credits=_credits(earned),
        spent_credits=_credits(spent),
        tokens_for_others=for_others,
        tokens_by_others=by_others,
        conversations=conversations,
    )


def _credits(nanocredits: int | None) -> float:
    return (nanocredits or 0) / NANOCREDITS


def _sentence(why: str) -> str:
    return f"{why}." if why else ""
