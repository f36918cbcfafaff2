"""What keeps sharing from going on or from beginning, one function for each reason.

Each looks at one moment and gives its reason, or None. What a system does not tell counts as harmless, but for the
person: who cannot be seen to be away is taken to be there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from . import reasons
from .facts import Facts, GpuFacts
from .past import Past, Spell, hottest_c, lent_cards
from .reasons import Reason, ReasonKind, because
from .rules import Rules, lendable_bytes, minutes_to_window
from .wishes import Wishes


@dataclass(frozen=True)
class Moment:
    """All that a check may look at. `past` has seen the facts already."""

    facts: Facts
    rules: Rules
    wishes: Wishes
    past: Past

    @property
    def now_s(self) -> float:
        return self.facts.now_s

    @property
    def cards(self) -> tuple[GpuFacts, ...]:
        """The graphics cards that sharing uses; none where it computes on the processor."""
        return lent_cards(self.facts, self.rules)


Check = Callable[[Moment], Reason | None]


def check_paused(at: Moment) -> Reason | None:
    left_s = at.wishes.pause_left_s(at.now_s)
    if at.wishes.pause is None or left_s == 0:
        return None
    until = "until Meadow is started again" if at.wishes.pause.length == "restart" else "until you resume it"
    detail = "for a while" if left_s is not None else until
    return because(reasons.PAUSED, at.rules, may_end_s=left_s, detail=detail)


def check_no_consent(at: Moment) -> Reason | None:
    return None if at.rules.consent else because(reasons.NO_CONSENT, at.rules)


def check_switched_off(at: Moment) -> Reason | None:
    return because(reasons.SWITCHED_OFF, at.rules) if at.rules.mode == "never" else None


def check_finishing(at: Moment) -> Reason | None:
    return because(reasons.FINISHING, at.rules) if at.wishes.is_finishing else None


def check_person_here(at: Moment) -> Reason | None:
    """A locked screen alone does not mean away: who types a password is back already."""
    idle_s = at.facts.idle_s
    if at.rules.mode == "always" or idle_s is None or idle_s >= at.rules.idle_s:
        return None
    return because(
        reasons.PERSON_HERE, at.rules, may_end_s=at.rules.idle_s - idle_s, quiet_from_s=at.now_s - max(0.0, idle_s)
    )


def check_presence_unknown(at: Moment) -> Reason | None:
    """Where no idle time is told, only a locked screen says that the person has gone."""
    if at.rules.mode == "always" or at.facts.idle_s is not None:
        return None
    locked = at.past.locked
    if locked is None:
        return because(reasons.PRESENCE_UNKNOWN, at.rules, quiet_from_s=at.now_s)
    if locked.length_s >= at.rules.idle_s:
        return None
    left_s = at.rules.idle_s - locked.length_s
    return because(reasons.PRESENCE_UNKNOWN, at.rules, may_end_s=left_s, quiet_from_s=locked.since_s)


def check_full_screen(at: Moment) -> Reason | None:
    if not (at.rules.not_beside_full_screen and at.facts.is_full_screen):
        return None
    return because(reasons.FULL_SCREEN, at.rules, quiet_from_s=at.now_s)


def check_listed_program(at: Moment) -> Reason | None:
    if not at.facts.programs:
        return None
    return because(reasons.LISTED_PROGRAM, at.rules, quiet_from_s=at.now_s, detail=at.facts.programs[0])


def check_gpu_busy(at: Moment) -> Reason | None:
    busiest = max(at.cards, key=lambda card: card.foreign_busy or 0.0, default=None)
    name = "" if busiest is None or len(at.facts.gpus) < 2 else f" {busiest.name}"
    return _used(reasons.GPU_BUSY, at, at.past.gpu_use, at.rules.foreign_gpu_s, name)


def check_gpu_memory_needed(at: Moment) -> Reason | None:
    for card in at.cards:
        if card.free_bytes is not None and _is_needed(at, card.free_bytes):
            detail = f" ({card.name})" if len(at.facts.gpus) > 1 else ""
            return because(reasons.GPU_MEMORY_NEEDED, at.rules, quiet_from_s=at.now_s, detail=detail)
    return None


def check_gpu_gone(at: Moment) -> Reason | None:
    """Without its driver nobody can see whether the card is needed, and what runs on it fails before long."""
    gone = range(len(at.facts.gpus), at.past.cards_seen)
    if not any(at.rules.gpus is None or position in at.rules.gpus for position in gone):
        return None
    return because(reasons.GPU_GONE, at.rules, quiet_from_s=at.now_s)


def check_cpu_busy(at: Moment) -> Reason | None:
    return None if at.cards else _used(reasons.CPU_BUSY, at, at.past.cpu_use, at.rules.foreign_cpu_s)


def check_memory_needed(at: Moment) -> Reason | None:
    free_bytes = at.facts.free_memory_bytes
    if at.cards or free_bytes is None or not _is_needed(at, free_bytes):
        return None
    return because(reasons.MEMORY_NEEDED, at.rules, quiet_from_s=at.now_s)


def check_on_battery(at: Moment) -> Reason | None:
    if not (at.rules.only_on_mains and at.facts.is_on_battery):
        return None
    return because(reasons.ON_BATTERY, at.rules, quiet_from_s=at.now_s)


def check_too_hot(at: Moment) -> Reason | None:
    hottest = hottest_c(at.facts, at.rules)
    if not at.past.is_hot or hottest is None:
        return None
    return because(reasons.TOO_HOT, at.rules, quiet_from_s=at.now_s, detail=f"{hottest:.0f} °C")


def check_outside_schedule(at: Moment) -> Reason | None:
    minutes = minutes_to_window(at.facts.week_minute, at.rules)
    return because(reasons.OUTSIDE_SCHEDULE, at.rules, may_end_s=60.0 * minutes) if minutes else None


def check_metered(at: Moment) -> Reason | None:
    if not (at.rules.only_unmetered and at.facts.is_metered):
        return None
    return because(reasons.METERED, at.rules, quiet_from_s=at.now_s)


def check_disk_short(at: Moment) -> Reason | None:
    free_bytes = at.facts.free_disk_bytes
    if free_bytes is None or free_bytes >= at.rules.least_disk_bytes:
        return None
    return because(reasons.DISK_SHORT, at.rules, quiet_from_s=at.now_s)


def check_volume_used(at: Moment) -> Reason | None:
    left_bytes = at.facts.volume_left_bytes
    if left_bytes is None or left_bytes > 0:
        return None
    return because(reasons.VOLUME_USED, at.rules, may_end_s=at.facts.month_left_s)


def check_own_chat(at: Moment) -> Reason | None:
    """Loading would slow the answer down. What is loaded already stays: it may be what the answer is computed on."""
    return because(reasons.OWN_CHAT, at.rules) if at.wishes.is_chatting and not at.past.is_loaded else None


CHECKS: tuple[Check, ...] = (
    check_paused,
    check_no_consent,
    check_switched_off,
    check_finishing,
    check_person_here,
    check_presence_unknown,
    check_full_screen,
    check_listed_program,
    check_gpu_busy,
    check_gpu_memory_needed,
    check_gpu_gone,
    check_cpu_busy,
    check_memory_needed,
    check_on_battery,
    check_too_hot,
    check_outside_schedule,
    check_metered,
    check_disk_short,
    check_volume_used,
    check_own_chat,
)
"""In the order of `REASON_KINDS`: the first reason that holds is the one that is shown."""


def _used(kind: ReasonKind, at: Moment, use: Spell | None, hold_s: float, detail: str = "") -> Reason | None:
    """A use that has lasted ends sharing; a shorter one only keeps it from beginning, and needs no quiet after it."""
    if use is None:
        return None
    if use.length_s >= hold_s:
        return because(kind, at.rules, quiet_from_s=use.last_s, detail=detail)
    return None if at.past.is_loaded else because(kind, at.rules, detail=detail)


def _is_needed(at: Moment, free_bytes: int) -> bool:
    """Whether what the person keeps free has been touched, or would be by a load that is worth it."""
    if at.past.is_loaded:
        return free_bytes < at.rules.kept_bytes
    return lendable_bytes(free_bytes, at.rules) < at.rules.least_lent_bytes
