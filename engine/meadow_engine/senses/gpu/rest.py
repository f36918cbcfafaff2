"""Leaving cards alone, so that those that may sleep get round to it.

Every question to a driver counts as use, so a card that is asked every second or two never falls asleep. One that may
sleep and that nobody uses is therefore left alone for a while; meanwhile its last facts stand.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from meadow_engine.policy.facts import GpuFacts
from meadow_engine.senses.gpu.cards import PciCard

REST_S = 20.0


@dataclass(frozen=True)
class CardLook:
    """What asking a card's driver gave; `is_unused` means that no program has anything on the card."""

    facts: GpuFacts
    is_unused: bool


class RestingCards:
    """Remembers the last look at each card."""

    def __init__(self, clock: Callable[[], float], unknown_name: str) -> None:
        self._clock = clock
        self._unknown_name = unknown_name
        self._looks: dict[str, tuple[float, CardLook]] = {}

    def facts_without_asking(self, card: PciCard, is_computing: bool) -> GpuFacts | None:
        """Facts about a card that sleeps or is left alone; None where its driver has to be asked."""
        last = self._looks.get(card.address)
        if card.is_asleep():
            return GpuFacts(name=last[1].facts.name if last else self._unknown_name, is_asleep=True)
        if last is None or is_computing:
            return None
        looked_at_s, look = last
        is_left_alone = look.is_unused and self._clock() - looked_at_s < REST_S and card.may_sleep()
        return look.facts if is_left_alone else None

    def remember(self, card: PciCard, look: CardLook) -> None:
        """The card's driver has been asked just now."""
        self._looks[card.address] = (self._clock(), look)
