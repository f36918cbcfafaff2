"""Decide whether to share: facts, rules, wishes and the past go in, a decision and the new past come out.

While sharing, the facts should come at least once a second; then no rule is broken for longer than two.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from . import reasons
from .checks import CHECKS, Moment
from .facts import Facts
from .past import HOUR_S, Past, Verb, hear, observe, remember
from .reasons import Reason, because, duration_words
from .rules import Rules, quiet_needed_s
from .wishes import Wishes

# How long `yield` is said, for a reader who missed its first word; `stay` asks for the same.
YIELD_S = 2.0


@dataclass(frozen=True)
class Decision:
    """What to do now.

    `verb`: `share`; `drain`: take no new sessions and hand over those that are there; `yield` and `stay`: hold
    nothing on the device, `yield` when it was in use until just now.
    `reason` is the one to show, None only when sharing; `also` are the others that hold as well.
    `may_end_s`: seconds until sharing may begin if nothing else happens, all reasons considered; None when nobody
    can say, and when sharing.
    `is_own_first`: steps of the person's own chat go before those of others.
    """

    verb: Verb
    reason: Reason | None = None
    also: tuple[Reason, ...] = ()
    may_end_s: float | None = None
    is_own_first: bool = False

    @property
    def sentence(self) -> str:
        """One or two sentences for the volunteer."""
        if self.reason is None:
            return "Sharing. Your own chat goes first." if self.is_own_first else "Sharing."
        if self.verb == "drain":
            return f"Finishing what is under way. {self.reason.sentence}"
        return self.reason.sentence


def decide(facts: Facts, rules: Rules, wishes: Wishes, past: Past) -> tuple[Decision, Past]:
    """Say whether to share now and, if not, why and for how long. `past` is what the last call returned."""
    past = observe(past, facts, rules)
    moment = Moment(facts, rules, wishes, past)
    overridden = wishes.overridden(facts.now_s)
    found = [reason for check in CHECKS if (reason := check(moment)) is not None and reason.code not in overridden]
    past = hear(past, found, facts.now_s, rules)
    found += [reason for reason in _waits(facts, rules, wishes, past, found) if reason.code not in overridden]
    verb = _verb(found, past, facts.now_s, rules)
    past = remember(past, verb, facts.now_s)
    if not found:
        return Decision("share", is_own_first=wishes.is_chatting), past
    return Decision(verb, found[0], tuple(found[1:]), _longest_s(found), wishes.is_chatting), past


def _waits(facts: Facts, rules: Rules, wishes: Wishes, past: Past, found: Sequence[Reason]) -> list[Reason]:
    """What sharing waits for when nothing speaks against it any more, as far as that takes longer than `found` does.

    The person may ask for sharing without these waits, once for each asking.
    """
    is_asked_for = wishes.asked_s is not None and (past.started_s is None or wishes.asked_s > past.started_s)
    if is_asked_for or (past.verb == "share" and not found):
        return []
    announced_s = max((reason.may_end_s for reason in found if reason.may_end_s is not None), default=0.0)
    is_in_use = any(reason.quiet_from_s is not None and reason.may_end_s is None for reason in found)
    waits: list[Reason] = []
    if past.noise_s is not None and not is_in_use:
        quiet_s = quiet_needed_s(past.flaps, rules)
        if (left_s := past.noise_s + quiet_s - facts.now_s) > announced_s:
            waits.append(because(reasons.SETTLING, rules, may_end_s=left_s, detail=duration_words(quiet_s)))
    if len(past.loads_s) >= rules.loads_per_hour:
        left_s = past.loads_s[-rules.loads_per_hour] + HOUR_S - facts.now_s
        if left_s > announced_s:
            waits.append(because(reasons.RESTING, rules, may_end_s=left_s))
    return waits


def _verb(found: Sequence[Reason], past: Past, now_s: float, rules: Rules) -> Verb:
    """The strongest of what the reasons ask for, given what the device holds and for how long it has been emptied."""
    if not found:
        return "share"
    lasted_s = now_s - past.verb_since_s
    must_yield = any(reason.leaving == "yield" for reason in found)
    match past.verb:
        case "share":
            return "yield" if must_yield else "drain"
        case "drain":
            return "yield" if must_yield or lasted_s >= rules.drain_s else "drain"
        case "yield":
            return "yield" if lasted_s < YIELD_S else "stay"
        case "stay":
            return "stay"


def _longest_s(found: Sequence[Reason]) -> float | None:
    ends = [reason.may_end_s for reason in found]
    return None if None in ends else max((end for end in ends if end is not None), default=None)
