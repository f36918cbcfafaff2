"""Whatever the person needs ends sharing, by its name, at once or after what is under way."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from meadow_engine.policy.checks import CHECKS
from meadow_engine.policy.reasons import REASON_KINDS
from meadow_engine.policy.wishes import Wishes
from unit.engine.policy.computer import AGREED, CARD, GB, Computer, code, sharing

ON_THE_PROCESSOR: dict[str, Any] = {"gpus": ()}


def test_an_idle_computer_shares_once_its_owner_has_agreed() -> None:
    assert code(Computer(rules=replace(AGREED, consent=False)).decide()) == "no-consent"
    decision = Computer().decide()
    assert decision.verb == "share"
    assert decision.reason is None
    assert decision.may_end_s is None


def test_a_touch_ends_sharing_at_once_and_three_minutes_without_one_bring_it_back() -> None:
    computer = sharing()
    computer.now_s += 0.5
    computer.touch()
    decision = computer.decide()
    assert (decision.verb, code(decision), decision.may_end_s) == ("yield", "person-here", 180.0)
    assert computer.after(179).verb == "stay"
    assert computer.after(1).verb == "share"


@pytest.mark.parametrize(
    ("seen", "expected", "verb"),
    [
        ({"is_full_screen": True}, "full-screen", "yield"),
        ({"programs": ("steam",)}, "listed-program", "yield"),
        ({"is_on_battery": True}, "on-battery", "yield"),
        ({"gpus": (replace(CARD, free_bytes=GB),)}, "gpu-memory-needed", "yield"),
        ({"gpus": (replace(CARD, temperature_c=83.5),)}, "too-hot", "yield"),
        ({"gpus": ()}, "gpu-gone", "yield"),
        ({"idle_s": None}, "presence-unknown", "yield"),
        ({"is_metered": True}, "metered", "drain"),
        ({"free_disk_bytes": GB}, "disk-short", "drain"),
        ({"volume_left_bytes": 0}, "volume-used", "drain"),
    ],
)
def test_what_is_seen_ends_sharing_at_once(seen: dict[str, Any], expected: str, verb: str) -> None:
    computer = sharing()
    computer.see(**seen)
    decision = computer.after(1)
    assert (code(decision), decision.verb) == (expected, verb)
    assert decision.sentence


@pytest.mark.parametrize(
    ("allowed", "seen"),
    [
        ({"not_beside_full_screen": False}, {"is_full_screen": True}),
        ({"only_on_mains": False}, {"is_on_battery": True}),
        ({"only_unmetered": False}, {"is_metered": True}),
        ({"mode": "always"}, {"idle_s": 0.0}),
        ({"mode": "always"}, {"idle_s": None}),
    ],
)
def test_what_the_person_allows_is_no_reason(allowed: dict[str, Any], seen: dict[str, Any]) -> None:
    computer = Computer(rules=replace(AGREED, **allowed))
    computer.see(**seen)
    assert computer.decide().verb == "share"


def test_the_mode_always_still_leaves_the_computer_to_a_game() -> None:
    computer = sharing(rules=replace(AGREED, mode="always"))
    computer.see(is_full_screen=True)
    assert computer.after(1).verb == "yield"


def test_what_a_system_does_not_tell_is_harmless_but_for_the_person() -> None:
    computer = Computer()
    computer.facts = {"gpus": (replace(CARD, free_bytes=None, foreign_busy=None, temperature_c=None),)}
    assert computer.decide().verb == "share"
    computer.facts = {"idle_s": None, "gpus": computer.facts["gpus"]}
    decision = computer.after(1)
    assert decision.verb == "yield"
    assert "always" in decision.sentence


def test_a_locked_screen_means_away_where_idle_time_is_unknown() -> None:
    computer = Computer()
    computer.see(idle_s=None, is_locked=True)
    assert computer.decide().may_end_s == 180.0
    assert computer.after(179).verb == "stay"
    assert computer.after(1).verb == "share"
    computer.see(is_locked=False)
    assert code(computer.after(1)) == "presence-unknown"


def test_who_types_a_password_on_a_locked_screen_is_back() -> None:
    computer = sharing()
    computer.see(is_locked=True)
    assert computer.after(1).verb == "share"
    computer.touch()
    assert computer.after(1).verb == "yield"


def test_a_graphics_card_in_use_is_left_after_five_seconds_and_taken_again_after_a_quiet_minute() -> None:
    computer = sharing()
    computer.see_card(foreign_busy=0.5)
    computer.after(1)
    assert computer.after(4).verb == "share"
    assert code(computer.after(1)) == "gpu-busy"
    computer.see_card()
    assert code(computer.after(1)) == "gpu-busy"
    settling = computer.after(1)
    assert (code(settling), settling.may_end_s) == ("settling", 58.0)
    assert computer.after(57).verb == "stay"
    assert computer.after(1).verb == "share"


def test_a_game_that_waits_between_frames_uses_the_card_all_the_same() -> None:
    computer = sharing()
    for _ in range(3):
        computer.see_card(foreign_busy=0.9)
        computer.after(1)
        computer.see_card()
        decision = computer.after(1)
    assert code(decision) is None
    computer.see_card(foreign_busy=0.9)
    assert code(computer.after(1)) == "gpu-busy"


def test_a_flicker_of_the_desktop_neither_ends_sharing_nor_keeps_it_away_for_long() -> None:
    computer = sharing()
    computer.see_card(foreign_busy=0.2)
    computer.after(3)
    computer.see_card()
    assert computer.after(10).verb == "share"
    fresh = Computer()
    fresh.see_card(foreign_busy=0.2)
    assert code(fresh.decide()) == "gpu-busy"
    fresh.see_card()
    assert fresh.after(2).verb == "share"


def test_only_cards_that_are_lent_count() -> None:
    game, idle = replace(CARD, name="GAME", foreign_busy=0.9, free_bytes=0, temperature_c=90.0), CARD
    both = Computer(rules=replace(AGREED, gpus=(1,)))
    both.see(gpus=(game, idle))
    assert both.after(20).verb == "share"
    every = Computer()
    every.see(gpus=(game, idle))
    decision = every.after(20)
    assert decision.verb == "stay"
    assert "GAME" in decision.sentence


def test_a_card_that_is_not_lent_may_go() -> None:
    computer = sharing(rules=replace(AGREED, gpus=(0,)), facts={"gpus": (CARD, CARD)})
    computer.see(gpus=(CARD,))
    assert computer.after(1).verb == "share"


def test_a_driver_that_answers_again_is_trusted_after_a_quiet_minute() -> None:
    computer = sharing()
    computer.see(gpus=())
    assert computer.after(5).verb == "stay"
    computer.see(gpus=(CARD,))
    assert code(computer.after(1)) == "settling"
    assert computer.after(59).verb == "share"


def test_beginning_needs_more_free_memory_than_going_on() -> None:
    computer = sharing()
    computer.see_card(free_bytes=int(1.6 * GB))
    assert computer.after(5).verb == "share"
    fresh = Computer()
    fresh.see_card(free_bytes=int(1.6 * GB))
    assert code(fresh.decide()) == "gpu-memory-needed"


def test_heat_is_forgotten_only_below_the_cool_mark() -> None:
    computer = sharing()
    computer.see_card(temperature_c=84.0)
    assert code(computer.after(1)) == "too-hot"
    computer.see_card(temperature_c=75.0)
    assert code(computer.after(100)) == "too-hot"
    computer.see_card(temperature_c=74.9)
    assert computer.after(58).verb == "stay"
    assert computer.after(2).verb == "share"


def test_a_card_that_is_warm_but_was_never_hot_goes_on() -> None:
    computer = sharing()
    computer.see_card(temperature_c=83.0)
    assert computer.after(60).verb == "share"


def test_the_processor_counts_where_it_computes() -> None:
    computer = sharing(facts={"gpus": (), "foreign_cpu": 0.0})
    computer.see(foreign_cpu=0.7)
    assert computer.after(10).verb == "share"
    assert code(computer.after(1)) == "cpu-busy"
    with_card = sharing()
    with_card.see(foreign_cpu=0.9, free_memory_bytes=0, cpu_temperature_c=95.0)
    assert with_card.after(60).verb == "share"


@pytest.mark.parametrize(
    ("seen", "expected"),
    [({"free_memory_bytes": GB}, "memory-needed"), ({"cpu_temperature_c": 90.0}, "too-hot")],
)
def test_a_processor_is_left_when_memory_or_coolness_is_short(seen: dict[str, Any], expected: str) -> None:
    computer = sharing(facts={"gpus": ()})
    computer.see(**seen)
    assert code(computer.after(1)) == expected


def test_the_schedule_lets_finish_and_says_when_it_opens_again() -> None:
    evening = (18 * 60, 22 * 60)
    computer = sharing(rules=replace(AGREED, windows=(evening,)), facts={"week_minute": 22 * 60 - 1})
    assert computer.after(1).verb == "share"
    computer.see(week_minute=22 * 60)
    decision = computer.after(1)
    assert (decision.verb, code(decision)) == ("drain", "outside-schedule")
    assert decision.may_end_s == (7 * 24 - 4) * 3600


def test_own_chat_keeps_sharing_from_beginning_and_goes_first_while_it_goes_on() -> None:
    chatting = Wishes(is_chatting=True)
    waiting = Computer(wishes=chatting)
    assert code(waiting.decide()) == "own-chat"
    waiting.wishes = Wishes()
    assert waiting.after(1).verb == "share"
    waiting.wishes = chatting
    decision = waiting.after(1)
    assert decision.verb == "share"
    assert decision.is_own_first


def test_all_reasons_that_hold_are_named_the_most_telling_first() -> None:
    computer = Computer()
    computer.see(is_metered=True, is_full_screen=True, is_on_battery=True)
    computer.touch()
    decision = computer.decide()
    assert [code(decision), *(reason.code for reason in decision.also)] == [
        "person-here",
        "full-screen",
        "on-battery",
        "metered",
    ]
    assert decision.may_end_s is None


def test_every_reason_but_the_waits_has_its_check_in_the_same_order() -> None:
    names = [check.__name__.removeprefix("check_").replace("_", "-") for check in CHECKS]
    assert names == [kind.code for kind in REASON_KINDS if kind.code not in ("settling", "resting")]


def test_a_used_up_volume_waits_for_the_next_month() -> None:
    computer = sharing()
    computer.see(volume_left_bytes=1, month_left_s=7200.0)
    assert computer.after(1).verb == "share"
    computer.see(volume_left_bytes=0)
    assert computer.after(1).verb == "drain"
    decision = computer.after(400)
    assert (code(decision), decision.verb, decision.may_end_s) == ("volume-used", "stay", 7200.0)
    computer.see(volume_left_bytes=100 * GB)
    assert computer.after(1).verb == "share"
