"""The person's word counts, and a pause counts most."""

from __future__ import annotations

import pytest

from meadow_engine.policy.wishes import PauseLength, Wishes, after_sleep, finish, pause, resume, share_anyway
from unit.engine.policy.computer import Computer, code, sharing


@pytest.mark.parametrize(("length", "seconds"), [("30m", 1800), ("1h", 3600), ("4h", 14400)])
def test_a_pause_ends_by_itself_when_its_time_is_over(length: PauseLength, seconds: int) -> None:
    computer = sharing()
    computer.wishes = pause(computer.wishes, length, computer.now_s)
    decision = computer.decide()
    assert (decision.verb, code(decision), decision.may_end_s) == ("yield", "paused", seconds)
    assert computer.after(seconds - 1, step_s=10).verb == "stay"
    assert computer.after(1).verb == "share"


@pytest.mark.parametrize("length", ["restart", "resumed"])
def test_a_pause_without_a_time_ends_when_it_is_resumed(length: PauseLength) -> None:
    computer = sharing()
    computer.wishes = pause(computer.wishes, length, computer.now_s)
    decision = computer.after(100_000, step_s=1000)
    assert code(decision) == "paused"
    assert decision.may_end_s is None
    computer.wishes = resume(computer.wishes, computer.now_s)
    assert computer.after(1).verb == "share"


def test_draining_lets_finish_for_five_minutes_and_then_stays_away() -> None:
    computer = sharing()
    computer.wishes = finish(computer.wishes)
    decision = computer.after(300)
    assert (decision.verb, code(decision)) == ("drain", "finishing")
    assert "Finishing what is under way" in decision.sentence
    assert computer.after(1).verb == "yield"
    assert computer.after(2).verb == "stay"
    computer.wishes = resume(computer.wishes, computer.now_s)
    assert computer.after(1).verb == "share"


def test_a_person_who_comes_back_does_not_wait_for_draining() -> None:
    computer = sharing()
    computer.wishes = finish(computer.wishes)
    assert computer.after(5).verb == "drain"
    computer.touch()
    assert computer.after(1).verb == "yield"


def test_sharing_anyway_leaves_one_reason_out_for_an_hour() -> None:
    computer = Computer()
    computer.see(is_on_battery=True)
    assert code(computer.decide()) == "on-battery"
    computer.wishes = share_anyway(computer.wishes, "on-battery", computer.now_s)
    assert computer.after(3599).verb == "share"
    assert code(computer.after(1)) == "on-battery"


def test_sharing_anyway_leaves_all_other_reasons_standing() -> None:
    computer = Computer()
    computer.see(is_on_battery=True, is_metered=True)
    computer.wishes = share_anyway(computer.wishes, "on-battery", computer.now_s)
    assert code(computer.after(1)) == "metered"
    computer.wishes = share_anyway(computer.wishes, "metered", computer.now_s)
    assert computer.after(1).verb == "share"


def test_sharing_while_the_person_works_goes_on_while_they_type() -> None:
    computer = Computer(is_touched=True)
    computer.wishes = share_anyway(computer.wishes, "person-here", computer.now_s)
    assert computer.decide().verb == "share"
    assert computer.after(600).verb == "share"


def test_a_pause_takes_back_what_was_to_be_shared_anyway() -> None:
    wishes = pause(share_anyway(Wishes(), "on-battery", 0.0), "1h", 1.0)
    assert not wishes.overridden(2.0)
    assert share_anyway(wishes, "on-battery", 2.0).pause_left_s(2.0) == 3599.0


@pytest.mark.parametrize("decision", ["paused", "no-consent", "switched-off", "finishing", "no-such-reason"])
def test_the_own_decision_cannot_be_shared_over(decision: str) -> None:
    with pytest.raises(ValueError, match=decision):
        share_anyway(Wishes(), decision, 0.0)


def test_sharing_anyway_again_makes_the_hour_begin_anew() -> None:
    wishes = share_anyway(share_anyway(Wishes(), "metered", 0.0), "metered", 3000.0)
    assert len(wishes.overrides) == 1
    assert wishes.overridden(6599.0) == {"metered"}
    assert wishes.overridden(6600.0) == frozenset()


def test_hours_that_the_computer_slept_count_for_what_ends_by_itself() -> None:
    asked = share_anyway(pause(Wishes(), "4h", 100.0), "on-battery", 100.0)
    slept = after_sleep(asked, 3000.0)
    assert slept.pause_left_s(100.0) == 4 * 3600 - 3000
    assert slept.overridden(100.0 + 599) == {"on-battery"}
    assert slept.overridden(100.0 + 600) == frozenset()


def test_a_pause_without_an_end_outlasts_every_sleep() -> None:
    assert after_sleep(pause(Wishes(), "resumed", 0.0), 1e6).pause_left_s(0.0) is None
