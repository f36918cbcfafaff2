"""Whatever a day brings: the computer is given back in time, loads are few, and the person's word is kept.

Hypothesis plays days made of phases: what is seen, what the person says, and for how long. What must not be shared
beside is judged here once more, from the facts alone and without the policy's own checks.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import Phase as Stage
from hypothesis import strategies as st

from meadow_engine.policy.decide import Decision
from meadow_engine.policy.facts import Facts
from meadow_engine.policy.reasons import REASON_KINDS
from meadow_engine.policy.rules import Rules
from meadow_engine.policy.wishes import Wishes, finish, pause, resume, share_anyway
from unit.engine.policy.computer import AGREED, CARD, GB, Computer

promise = settings(
    max_examples=60,
    deadline=None,
    database=None,
    derandomize=True,
    # Making a broken day shorter takes minutes: add Stage.shrink when there is one to look at.
    phases=[Stage.explicit, Stage.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

CARDS = st.sampled_from(
    [
        (CARD,),
        (replace(CARD, foreign_busy=0.95),),
        (replace(CARD, foreign_busy=0.11),),
        (replace(CARD, free_bytes=GB),),
        (replace(CARD, free_bytes=int(1.7 * GB)),),
        (replace(CARD, temperature_c=90.0),),
        (replace(CARD, temperature_c=79.0),),
        (replace(CARD, free_bytes=None, foreign_busy=None, temperature_c=None, is_asleep=True),),
        (),
    ]
)
OTHER_FACTS: dict[str, st.SearchStrategy[Any]] = {
    "idle_s": st.sampled_from([None, 0.0, 200.0]),
    "is_locked": st.sampled_from([None, True, False]),
    "is_full_screen": st.booleans(),
    "programs": st.sampled_from([(), ("steam",)]),
    "is_on_battery": st.sampled_from([None, True, False]),
    "is_metered": st.booleans(),
    "foreign_cpu": st.sampled_from([None, 0.1, 0.9]),
    "cpu_temperature_c": st.sampled_from([None, 60.0, 95.0]),
    "free_memory_bytes": st.sampled_from([None, GB, 16 * GB]),
    "free_disk_bytes": st.sampled_from([None, GB, 100 * GB]),
    "volume_left_bytes": st.sampled_from([None, GB, GB, GB, 0]),
}
STEPS_S = st.sampled_from([0.25, 0.5, 1.0])
SECONDS = st.sampled_from([1, 2, 3, 5, 8, 20, 61, 61, 130, 200, 700])
RULES = st.builds(
    Rules,
    consent=st.just(True),
    mode=st.sampled_from(["when-idle", "when-idle", "always"]),
    windows=st.sampled_from([(), ((0, 180), (190, 2000))]),
    only_on_mains=st.booleans(),
    gpus=st.sampled_from([None, (0,), ()]),
)


@dataclass(frozen=True)
class Phase:
    """For `seconds` these facts are seen beside calm ones; `said` at its beginning."""

    seconds: int
    step_s: float
    is_touched: bool
    facts: dict[str, Any]
    said: str = ""


def phases(*words: str) -> st.SearchStrategy[list[Phase]]:
    """Days on which the person says any of `words`. Half of the phases are calm, most others but for one fact."""
    facts = st.one_of(
        *[st.just({"gpus": (CARD,)})] * 3,
        st.fixed_dictionaries({"gpus": CARDS}),
        st.sampled_from(sorted(OTHER_FACTS)).flatmap(lambda name: st.fixed_dictionaries({name: OTHER_FACTS[name]})),
        st.fixed_dictionaries({"gpus": CARDS}, optional=OTHER_FACTS),
    ).map(lambda seen: {"gpus": (CARD,)} | seen)
    is_touched = st.sampled_from([False] * 7 + [True])
    said = st.sampled_from(["", "", *words])
    return st.lists(st.builds(Phase, SECONDS, STEPS_S, is_touched, facts, said), min_size=8, max_size=20)


def say(wishes: Wishes, word: str, now_s: float) -> Wishes:
    match word.split():
        case ["pause", length]:
            return pause(wishes, length, now_s)  # type: ignore[arg-type]
        case ["resume"]:
            return resume(wishes, now_s)
        case ["finish"]:
            return finish(wishes)
        case ["anyway", code]:
            return share_anyway(wishes, code, now_s)
        case ["chat"]:
            return replace(wishes, is_chatting=not wishes.is_chatting)
    return wishes


def play(computer: Computer, day: list[Phase]) -> list[tuple[Facts, Decision]]:
    """Live through a day: with a decision at least once a second while loaded, and else less often."""
    heard = []
    for phase in day:
        computer.facts, computer.is_touched = phase.facts, phase.is_touched
        computer.wishes = say(computer.wishes, phase.said, computer.now_s)
        end_s = computer.now_s + phase.seconds
        while computer.now_s < end_s:
            often_s = phase.step_s if phase.seconds <= 20 else 1.0
            computer.now_s += often_s if computer.past.is_loaded else max(often_s, min(4.0, phase.seconds / 8))
            heard.append((computer.look(), computer.decide()))
    return heard


class Judge:
    """Knows from the facts alone since when sharing has not been allowed."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._most_cards = 0
        self._gpu_used_s: float | None = None
        self._cpu_used_s: float | None = None
        self._locked_s: float | None = None

    def forbids(self, facts: Facts) -> bool:
        rules, now_s = self._rules, facts.now_s
        cards = [] if rules.gpus == () else facts.gpus
        self._most_cards = max(self._most_cards, len(cards))
        used = any((card.foreign_busy or 0) > 0.10 for card in cards)
        self._gpu_used_s = (now_s if self._gpu_used_s is None else self._gpu_used_s) if used else None
        used = not cards and (facts.foreign_cpu or 0) > 0.5
        self._cpu_used_s = (now_s if self._cpu_used_s is None else self._cpu_used_s) if used else None
        self._locked_s = (now_s if self._locked_s is None else self._locked_s) if facts.is_locked else None
        if facts.idle_s is None:
            is_person_here = self._locked_s is None or now_s - self._locked_s < 180
        else:
            is_person_here = facts.idle_s < 180
        minute = facts.week_minute
        return any(
            [
                rules.mode == "when-idle" and is_person_here,
                facts.is_full_screen,
                facts.programs,
                rules.only_on_mains and facts.is_on_battery,
                facts.is_metered,
                facts.volume_left_bytes == 0,
                facts.free_disk_bytes is not None and facts.free_disk_bytes < 5 * GB,
                rules.windows and not (minute < 180 or 190 <= minute < 2000),
                len(cards) < self._most_cards,
                any(card.free_bytes is not None and card.free_bytes < 1.5 * GB for card in cards),
                any((card.temperature_c or 0) > 83 for card in cards),
                not cards and facts.free_memory_bytes is not None and facts.free_memory_bytes < 1.5 * GB,
                not cards and (facts.cpu_temperature_c or 0) > 83,
                self._gpu_used_s is not None and now_s - self._gpu_used_s >= 5,
                self._cpu_used_s is not None and now_s - self._cpu_used_s >= 10,
            ]
        )


@promise
@given(rules=RULES, day=phases("chat", "resume"))
def test_nothing_is_shared_for_longer_than_two_seconds_after_a_rule_says_no(rules: Rules, day: list[Phase]) -> None:
    judge, forbidden_s = Judge(rules), None
    for facts, decision in play(Computer(rules=rules), day):
        if not judge.forbids(facts):
            forbidden_s = None
            continue
        forbidden_s = facts.now_s if forbidden_s is None else forbidden_s
        assert decision.verb != "share" or facts.now_s - forbidden_s <= 2


@promise
@given(rules=RULES, day=phases(), times=st.integers(1, 5))
def test_no_flapping_makes_it_load_more_than_four_times_in_an_hour(rules: Rules, day: list[Phase], times: int) -> None:
    computer = Computer(rules=rules)
    play(computer, (day * times)[:60])
    starts = computer.starts()
    for early_s, late_s in zip(starts, starts[4:], strict=False):
        assert late_s - early_s >= 3600


@promise
@given(pattern=st.lists(st.tuples(st.integers(1, 400), st.integers(1, 90)), min_size=1, max_size=4))
def test_a_plug_that_flaps_in_any_rhythm_leads_to_few_loads(pattern: list[tuple[int, int]]) -> None:
    computer = Computer()
    while computer.now_s < 10_000 + 2.2 * 3600:
        for calm_s, battery_s in pattern:
            for seconds, is_on_battery in ((calm_s, False), (battery_s, True)):
                computer.see(is_on_battery=is_on_battery)
                computer.after(seconds, step_s=5.0)
    starts = computer.starts()
    assert all(late_s - early_s >= 3600 for early_s, late_s in zip(starts, starts[4:], strict=False))


@promise
@given(
    day=phases(
        "pause 30m", "pause 1h", "pause resumed", "resume", "finish", "chat", "anyway on-battery", "anyway resting"
    )
)
def test_a_pause_wins_over_everything_until_its_end(day: list[Phase]) -> None:
    computer = Computer()
    for phase in day:
        heard = play(computer, [phase])
        left_s = computer.wishes.pause_left_s(computer.now_s)
        if left_s != 0:
            assert all(decision.verb in ("yield", "stay") for _, decision in heard)
            assert all(decision.reason and decision.reason.code == "paused" for _, decision in heard)


@promise
@given(
    changed=st.sampled_from([{"mode": "never"}, {"consent": False}]),
    day=phases("resume", *(f"anyway {kind.code}" for kind in REASON_KINDS if kind.can_share_anyway)),
    later=phases("resume", "anyway person-here", "chat"),
)
def test_without_consent_or_in_the_mode_never_nothing_is_shared_whatever_is_said(
    changed: dict[str, Any], day: list[Phase], later: list[Phase]
) -> None:
    computer = Computer()
    play(computer, day)
    computer.rules = replace(computer.rules, **changed)
    assert {decision.verb for _, decision in play(computer, later)} <= {"yield", "stay"}


@promise
@given(rules=RULES, day=phases("pause 30m", "resume", "finish", "anyway person-here", "chat"))
def test_the_same_day_is_decided_in_the_same_way(rules: Rules, day: list[Phase]) -> None:
    assert play(Computer(rules=rules), day) == play(Computer(rules=rules), day)


@promise
@given(
    rules=RULES.filter(lambda rules: not rules.windows),
    day=phases("pause 30m", "resume"),
    times=st.integers(1, 3),
    is_touched=st.booleans(),
)
def test_calm_leads_to_sharing_when_it_was_announced(
    rules: Rules, day: list[Phase], times: int, is_touched: bool
) -> None:
    computer = Computer(rules=rules)
    play(computer, day * times)
    computer.facts, computer.is_touched = {"gpus": (replace(CARD, temperature_c=60.0),)}, False
    if is_touched:
        computer.touch()
    announced = computer.after(1)
    if announced.verb != "share" and announced.may_end_s is None:
        announced = computer.after(3)  # a use of the card may go on after a lull
    if announced.verb == "share":
        return
    assert announced.may_end_s is not None
    assert computer.after(announced.may_end_s, step_s=7.0).verb == "share"


@promise
@given(rules=RULES, day=phases("pause 30m", "resume", "finish", "anyway metered", "chat"))
def test_every_decision_explains_itself_and_follows_from_the_one_before(rules: Rules, day: list[Phase]) -> None:
    may_follow = {
        "stay": {"stay", "share"},
        "share": {"share", "drain", "yield"},
        "drain": {"drain", "yield", "share"},
        "yield": {"yield", "stay", "share"},
    }
    before = "stay"
    for _, decision in play(Computer(rules=rules), day):
        assert decision.verb in may_follow[before]
        assert (decision.reason is None) == (decision.verb == "share")
        assert decision.sentence
        assert decision.may_end_s is None or decision.may_end_s > 0
        before = decision.verb


def test_the_days_that_are_played_do_share_sometimes() -> None:
    """Promises about sharing would be empty if these days never led to it."""
    shared = 0

    @promise
    @given(rules=RULES, day=phases())
    def count(rules: Rules, day: list[Phase]) -> None:
        nonlocal shared
        computer = Computer(rules=rules)
        play(computer, day)
        shared += len(computer.starts()) > 1

    count()
    assert shared > 20


@pytest.mark.parametrize(
    ("left_out", "facts"),
    [
        ("person-here", {"idle_s": 0.0}),
        ("presence-unknown", {"idle_s": None}),
        ("full-screen", {"is_full_screen": True}),
        ("listed-program", {"programs": ("steam",)}),
        ("gpu-busy", {"gpus": (replace(CARD, foreign_busy=0.95),)}),
        ("gpu-memory-needed", {"gpus": (replace(CARD, free_bytes=GB),)}),
        ("gpu-gone", {"gpus": ()}),
        ("on-battery", {"is_on_battery": True}),
        ("too-hot", {"gpus": (replace(CARD, temperature_c=90.0),)}),
        ("metered", {"is_metered": True}),
        ("disk-short", {"free_disk_bytes": GB}),
        ("volume-used", {"volume_left_bytes": 0}),
    ],
)
def test_the_judge_would_notice_a_policy_that_leaves_a_reason_out(left_out: str, facts: dict[str, Any]) -> None:
    computer, judge = Computer(), Judge(AGREED)
    computer.wishes = share_anyway(computer.wishes, left_out, computer.now_s)
    calm, bad = Phase(1, 1.0, False, {"gpus": (CARD,)}), Phase(10, 1.0, False, {"gpus": (CARD,)} | facts)
    heard = play(computer, [calm, bad])
    shared_beside = [seen for seen, decision in heard if judge.forbids(seen) and decision.verb == "share"]
    assert len(shared_beside) > 2
