"""What this computer has to lend, from what the senses said last and the rules of now. Pure."""

from __future__ import annotations

from meadow_engine.api.computer import ComputerOverview, GraphicsCard
from meadow_engine.policy.facts import Facts
from meadow_engine.policy.past import lent_cards
from meadow_engine.policy.rules import Rules
from meadow_engine.sharing_rules import lent_bytes


def overview_of(facts: Facts | None, rules: Rules) -> ComputerOverview:
    """None: the senses have not been asked yet."""
    cards = facts.gpus if facts is not None else ()
    return ComputerOverview(
        graphics=[
            GraphicsCard(name=card.name, total_bytes=card.total_bytes, free_bytes=card.free_bytes) for card in cards
        ],
        lends_graphics=facts is not None and bool(lent_cards(facts, rules)),
        lent_bytes=lent_bytes(facts, rules),
        free_disk_bytes=facts.free_disk_bytes if facts is not None else None,
        idle_s=rules.idle_s,
        tells_presence=facts is not None and (facts.idle_s is not None or facts.is_locked is not None),
        has_battery=facts is not None and facts.is_on_battery is not None,
    )
