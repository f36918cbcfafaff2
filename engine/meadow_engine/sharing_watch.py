"""Looks at the computer, asks the policy, and has the answer followed: share, finish, or give everything back.

Runs on the event loop. While layers are held it looks four times a second, else every two seconds, and every five
minutes while the person's own word keeps sharing off: nothing that is seen changes that, and every look wakes the
computer. A sense that hears of the person by itself, every command, and the end of the computer's sleep make it look at
once.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from meadow_client.sleep_watch import SleepWatch
from meadow_engine.policy.decide import Decision, decide
from meadow_engine.policy.facts import Facts
from meadow_engine.policy.past import Past
from meadow_engine.policy.rules import Rules
from meadow_engine.policy.wishes import Wishes, after_sleep

LOOK_WHILE_SHARING_S = 0.25
LOOK_S = 2.0
LOOK_WHILE_OFF_S = 300.0
YIELD_WITHIN_S = 2.0
DRAIN_WITHIN_S = 30.0

OFF = frozenset({"no-consent", "switched-off"})
BY_PERSON = frozenset({"paused", "finishing"})
"""Codes of the reasons that no look at the computer ends, only the person's next word or the end of a pause."""

log = logging.getLogger(__name__)


class Shareable(Protocol):
    """What is switched on and off."""

    def want(self, enabled: bool, why_not: str = ..., within_s: float = ...) -> None: ...


class Looking(Protocol):
    """Where facts come from."""

    async def read(self) -> Facts: ...


class SharingWatch:
    """`rules` says what counts now; `run` is its one task."""

    def __init__(
        self,
        looking: Looking,
        sharing: Shareable,
        rules: Callable[[], Rules],
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """`clock` is the one that `looking` uses."""
        self._clock = clock
        self._sleeps = SleepWatch(clock, wall_clock)
        self._looking = looking
        self._sharing = sharing
        self._rules = rules
        self._past = Past()
        self._asked: tuple[bool, str, float] | None = None
        self._look = asyncio.Event()
        self._looked = asyncio.Condition()
        self._looks = self._looks_before_wish = 0
        self.wishes = Wishes()
        self.is_chatting: Callable[[], bool] = lambda: False
        self.decision: Decision | None = None
        self.facts: Facts | None = None
        self.on_change: Callable[[], None] = lambda: None

    def look_now(self) -> None:
        """Something has happened: do not wait for the next look. From the event loop."""
        self._look.set()

    def wish(self, change: Callable[[Wishes, float], Wishes]) -> None:
        """Do what the person asks, at once: `change` gets the wishes until now, and the time on the facts' clock."""
        self.wishes = change(self.wishes, self._clock())
        self._looks_before_wish = self._looks
        self._asked = None  # also when that is what was said before, such as after a failure
        self._look.set()

    def notice_sleep(self) -> None:
        """Ask from time to time: after a sleep of this computer, pauses are shorter, and it looks at once."""
        if slept_s := self._sleeps.slept_s():
            self.wishes = after_sleep(self.wishes, slept_s)
            self.look_now()

    async def looked(self) -> None:
        """Return when what was wished for last has been decided on."""
        async with self._looked:
            await self._looked.wait_for(lambda: self._looks > self._looks_before_wish)

    @property
    def decided_ago_s(self) -> float:
        """How old the decision is, and with it the seconds that it names."""
        return self._clock() - self.facts.now_s if self.facts is not None else 0.0

    async def run(self) -> None:
        """Look and decide until cancelled."""
        while True:
            self._look.clear()
            self.facts = await self._looking.read()
            self.notice_sleep()
            self.follow(self.facts)
            self._looks += 1
            async with self._looked:
                self._looked.notify_all()
            try:
                async with asyncio.timeout(_pause_s(self.decision)):
                    await self._look.wait()
            except TimeoutError:
                pass

    def follow(self, facts: Facts) -> None:
        """Decide, and have it followed."""
        before = self.decision
        self.wishes = replace(self.wishes, is_chatting=self.is_chatting())
        self.decision, self._past = decide(facts, self._rules(), self.wishes, self._past)
        verb, sentence = self.decision.verb, self.decision.sentence
        within_s = DRAIN_WITHIN_S if verb == "drain" else YIELD_WITHIN_S
        asked = (True, "", 0.0) if verb == "share" else (False, sentence, within_s)
        if asked != self._asked:
            self._asked = asked
            if verb == "share":
                self._sharing.want(True)
            else:
                self._sharing.want(False, sentence, within_s)
        if before is None or _words(before) != _words(self.decision):
            log.info("The policy says: %s", _words(self.decision))
            self.on_change()


def _pause_s(decision: Decision | None) -> float:
    """How long until the next look, when nothing happens meanwhile."""
    if decision is not None and decision.verb in ("share", "drain", "yield"):
        return LOOK_WHILE_SHARING_S
    if decision is None or decision.reason is None or decision.reason.code not in OFF | BY_PERSON:
        return LOOK_S
    ends_s = decision.reason.may_end_s
    return LOOK_WHILE_OFF_S if ends_s is None else max(LOOK_S, min(LOOK_WHILE_OFF_S, ends_s))


def _words(decision: Decision) -> str:
    return f"{decision.verb} ({decision.reason.code})" if decision.reason is not None else decision.verb
