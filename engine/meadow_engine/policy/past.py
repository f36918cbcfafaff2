"""What decisions remember: how long something has been seen, and when sharing began and ended.

Times are on the facts' clock, which never goes back while a `Past` is in use.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from .facts import Facts, GpuFacts
from .reasons import Reason
from .rules import Rules

Verb = Literal["share", "drain", "yield", "stay"]

HOUR_S = 3600.0
# A use that pauses shorter than this goes on: a game waits between two frames, a sensor misses one reading.
LULL_S = 2.0


@dataclass(frozen=True)
class Spell:
    """Something that has been seen from `since_s` to `last_s`."""

    since_s: float
    last_s: float

    @property
    def length_s(self) -> float:
        return self.last_s - self.since_s


@dataclass(frozen=True)
class Past:
    """Everything about the past that decides; `Past()` is that of an engine that has just started.

    `loads_s`: when sharing began, within the last hour. `noise_s`: when a use was last seen that sharing must leave
    alone. `flaps`: sharings in a row that such a use soon ended, the last at `flapped_s`.
    """

    verb: Verb = "stay"
    verb_since_s: float = float("-inf")
    started_s: float | None = None
    loads_s: tuple[float, ...] = ()
    flaps: int = 0
    flapped_s: float = float("-inf")
    noise_s: float | None = None
    gpu_use: Spell | None = None
    cpu_use: Spell | None = None
    locked: Spell | None = None
    is_hot: bool = False
    cards_seen: int = 0

    @property
    def is_loaded(self) -> bool:
        """Whether the last decision left weights on the device."""
        return self.verb in ("share", "drain")


def lent_cards(facts: Facts, rules: Rules) -> tuple[GpuFacts, ...]:
    """The graphics cards that sharing would use, of those that are reported."""
    if rules.gpus is None:
        return facts.gpus
    return tuple(card for position, card in enumerate(facts.gpus) if position in rules.gpus)


def hottest_c(facts: Facts, rules: Rules) -> float | None:
    """The temperature that counts: of the lent cards, or of the processor where there are none."""
    cards = lent_cards(facts, rules)
    known = [card.temperature_c for card in cards] if cards else [facts.cpu_temperature_c]
    return max((celsius for celsius in known if celsius is not None), default=None)


def observe(past: Past, facts: Facts, rules: Rules) -> Past:
    """Add what is seen now, before it is decided what follows from it."""
    now_s = facts.now_s
    cards = lent_cards(facts, rules)
    is_gpu_used = any((card.foreign_busy or 0.0) > rules.foreign_gpu for card in cards)
    is_cpu_used = (facts.foreign_cpu or 0.0) > rules.foreign_cpu
    hottest = hottest_c(facts, rules)
    limit_c = rules.cool_c if past.is_hot else rules.hot_c
    return replace(
        past,
        gpu_use=_continued(past.gpu_use, is_gpu_used, now_s, LULL_S),
        cpu_use=_continued(past.cpu_use, is_cpu_used, now_s, LULL_S),
        locked=_continued(past.locked, facts.is_locked is True, now_s, 0.0),
        # A sensor that fell silent cannot say that it has cooled down: quiet decides then.
        is_hot=hottest is not None and (hottest >= limit_c if past.is_hot else hottest > limit_c),
        cards_seen=max(past.cards_seen, len(facts.gpus)),
        loads_s=tuple(load_s for load_s in past.loads_s if now_s - load_s < HOUR_S),
        flaps=past.flaps if now_s - past.flapped_s < HOUR_S else 0,
    )


def hear(past: Past, found: Sequence[Reason], now_s: float, rules: Rules) -> Past:
    """Add when it was last not quiet, and whether that is what soon ends a sharing: a flap."""
    heard = [reason.quiet_from_s for reason in found if reason.quiet_from_s is not None]
    if not heard:
        return past
    after = replace(past, noise_s=max(heard) if past.noise_s is None else max(*heard, past.noise_s))
    if past.verb == "share" and past.started_s is not None and now_s - past.started_s < rules.flap_s:
        return replace(after, flaps=past.flaps + 1, flapped_s=now_s)
    return after


def remember(past: Past, verb: Verb, now_s: float) -> Past:
    """Add what was decided; every start of sharing is a load."""
    if verb == past.verb:
        return past
    after = replace(past, verb=verb, verb_since_s=now_s)
    return replace(after, started_s=now_s, loads_s=(*past.loads_s, now_s)) if verb == "share" else after


def _continued(spell: Spell | None, is_seen: bool, now_s: float, lull_s: float) -> Spell | None:
    if is_seen:
        return Spell(now_s if spell is None else spell.since_s, now_s)
    if spell is not None and now_s - spell.last_s < lull_s:
        return spell
    return None
