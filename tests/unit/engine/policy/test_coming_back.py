"""After a use, sharing waits for quiet; the more often it is sent away, the longer."""

from __future__ import annotations

from dataclasses import replace

from meadow_engine.policy.wishes import resume
from unit.engine.policy.computer import AGREED, Computer, code, sharing

WITHOUT_BUDGET = replace(AGREED, loads_per_hour=100)


def sent_away(computer: Computer) -> float:
    """Plug out for a second; gives the seconds until sharing is back."""
    computer.see(is_on_battery=True)
    computer.after(1)
    computer.see(is_on_battery=False)
    left_s = computer.now_s
    while computer.after(1).verb != "share":
        assert computer.now_s - left_s < 4000
    return computer.now_s - left_s


def test_the_wait_doubles_after_three_flaps_up_to_half_an_hour() -> None:
    computer = sharing(rules=WITHOUT_BUDGET)
    assert [sent_away(computer) for _ in range(9)] == [60, 60, 120, 240, 480, 960, 1800, 1800, 1800]


def test_a_quiet_hour_makes_the_wait_short_again() -> None:
    computer = sharing(rules=WITHOUT_BUDGET)
    assert [sent_away(computer) for _ in range(4)] == [60, 60, 120, 240]
    computer.after(3600)
    assert sent_away(computer) == 60


def test_sharing_that_lasted_was_no_flap() -> None:
    computer = sharing(rules=WITHOUT_BUDGET)
    waits = []
    for _ in range(5):
        computer.after(600)
        waits.append(sent_away(computer))
    assert waits == [60] * 5


def test_the_fifth_start_of_an_hour_waits_for_the_hour_to_pass() -> None:
    computer = sharing()
    began_s = computer.now_s
    for _ in range(3):
        sent_away(computer)
    computer.see(is_on_battery=True)
    assert computer.after(1).verb == "yield"
    computer.see(is_on_battery=False)
    decision = computer.after(1)
    assert [code(decision), *(reason.code for reason in decision.also)] == ["settling", "resting"]
    assert decision.may_end_s == began_s + 3600 - computer.now_s
    assert code(computer.after(1000)) == "resting"
    assert computer.after(began_s + 3599 - computer.now_s).verb == "stay"
    assert computer.after(1).verb == "share"


def test_what_is_announced_on_leaving_already_counts_the_rest_to_come() -> None:
    computer = sharing()
    began_s = computer.now_s
    for _ in range(3):
        sent_away(computer)
    computer.now_s += 1
    computer.touch()
    decision = computer.decide()
    assert code(decision) == "person-here"
    assert decision.may_end_s == began_s + 3600 - computer.now_s


def test_resuming_waits_neither_for_quiet_nor_for_the_hour_but_only_once() -> None:
    computer = sharing()
    for _ in range(3):
        sent_away(computer)
    computer.see(is_on_battery=True)
    computer.after(1)
    computer.see(is_on_battery=False)
    computer.wishes = resume(computer.wishes, computer.now_s)
    assert computer.after(1).verb == "share"
    computer.see(is_on_battery=True)
    computer.after(1)
    computer.see(is_on_battery=False)
    assert computer.after(600).verb == "stay"
    assert len(computer.starts()) == 5


def test_a_network_that_flaps_while_finishing_does_not_begin_anew_before_it_is_quiet() -> None:
    computer = sharing()
    computer.see(is_metered=True)
    assert computer.after(10).verb == "drain"
    computer.see(is_metered=False)
    decision = computer.after(59)
    assert (decision.verb, code(decision)) == ("drain", "settling")
    assert computer.after(1).verb == "share"
    assert len(computer.starts()) == 2


def test_a_touch_after_many_flaps_announces_the_longer_wait() -> None:
    computer = sharing(rules=WITHOUT_BUDGET)
    for _ in range(4):
        sent_away(computer)
    computer.now_s += 1
    computer.touch()
    decision = computer.decide()
    assert [code(decision), *(reason.code for reason in decision.also)] == ["person-here", "settling"]
    assert decision.may_end_s == 480
    assert computer.after(479).verb == "stay"
    assert computer.after(1).verb == "share"
