"""A computer whose day is played: facts go to the policy second by second, and what it said is kept."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from meadow_engine.policy.decide import Decision, decide
from meadow_engine.policy.facts import Facts, GpuFacts
from meadow_engine.policy.past import Past
from meadow_engine.policy.rules import Rules
from meadow_engine.policy.wishes import Wishes

GB = 10**9
CARD = GpuFacts("FAKE GPU", total_bytes=24 * GB, free_bytes=20 * GB, foreign_busy=0.0, temperature_c=50.0)
AGREED = Rules(consent=True)


@dataclass
class Computer:
    """Nobody has touched it for an hour; `facts` holds whatever else than calm is seen.

    `heard` are the decisions so far, each with its time. Idle time grows with the clock unless `is_touched`;
    an `idle_s` among the facts wins.
    """

    rules: Rules = AGREED
    wishes: Wishes = field(default_factory=Wishes)
    facts: dict[str, Any] = field(default_factory=lambda: {"gpus": (CARD,)})
    is_touched: bool = False
    now_s: float = 10_000.0
    touched_s: float = 6_400.0
    past: Past = field(default_factory=Past)
    heard: list[tuple[float, Decision]] = field(default_factory=list)

    def look(self) -> Facts:
        if self.is_touched:
            self.touched_s = self.now_s
        seen = {"idle_s": self.now_s - self.touched_s, "week_minute": int(self.now_s // 60) % 10_080} | self.facts
        return Facts(self.now_s, **seen)

    def decide(self) -> Decision:
        decision, self.past = decide(self.look(), self.rules, self.wishes, self.past)
        self.heard.append((self.now_s, decision))
        return decision

    def after(self, seconds: float, step_s: float = 1.0) -> Decision:
        """The decision when `seconds` have passed, with one in every step on the way."""
        until_s = self.now_s + seconds
        while self.now_s < until_s:
            self.now_s = min(until_s, self.now_s + step_s)
            decision = self.decide()
        return decision

    def touch(self) -> None:
        self.touched_s = self.now_s

    def see(self, **facts: Any) -> None:
        """From now on this is seen, too; of the graphics card by the names of its own facts."""
        self.facts |= facts

    def see_card(self, **facts: Any) -> None:
        self.facts["gpus"] = (replace(CARD, **facts),)

    def starts(self) -> list[float]:
        """When sharing began."""
        verbs = ["stay", *(decision.verb for _, decision in self.heard)]
        return [
            now_s
            for (now_s, decision), before in zip(self.heard, verbs, strict=False)
            if decision.verb == "share" != before
        ]


def code(decision: Decision) -> str | None:
    return decision.reason.code if decision.reason else None


def sharing(**others: Any) -> Computer:
    """A computer that shares, since a moment ago."""
    computer = Computer(**others)
    assert computer.decide().verb == "share"
    return computer
