"""When an engine is looked for, started, or waited for, and what is said meanwhile."""

from __future__ import annotations

from dataclasses import replace

from meadow_desktop.engine.last_words import find_last_words
from meadow_desktop.engine.link_policy import EngineExit, LinkFacts, decide, pause_after, present
from meadow_desktop.engine.link_state import Searching, Unreachable
from meadow_engine.api.errors import Problem

NOTHING = LinkFacts(has_record=False, record_failed_s=None, child_runs=False, may_start=True, searching_s=0.0)
CRASH = EngineExit(code=-9, last_words=None, had_connected=True, ago_s=0.0)
REFUSAL = EngineExit(code=1, last_words=Problem(code="x", message="No model here"), had_connected=False, ago_s=1.0)
TAKEN = EngineExit(code=3, last_words=None, had_connected=False, ago_s=1.0)


def test_a_running_engine_is_attached_to_and_not_doubled() -> None:
    assert decide(replace(NOTHING, has_record=True)) == "connect"


def test_a_stale_record_does_not_keep_an_engine_from_being_started() -> None:
    assert decide(replace(NOTHING, has_record=True, record_failed_s=0.1)) == "start"
    assert decide(replace(NOTHING, has_record=True, record_failed_s=0.1, child_runs=True)) == "wait"
    assert decide(replace(NOTHING, has_record=True, record_failed_s=0.6, child_runs=True)) == "connect"


def test_without_an_engine_one_is_started_at_once_unless_only_attaching() -> None:
    assert decide(NOTHING) == "start"
    assert decide(replace(NOTHING, may_start=False)) == "wait"


def test_somebody_elses_engine_gets_a_moment_to_come_back() -> None:
    assert decide(replace(NOTHING, lost_s=0.5)) == "wait"
    assert decide(replace(NOTHING, lost_s=2.5)) == "start"


def test_our_engine_is_started_again_soon_after_a_crash_and_later_each_time() -> None:
    assert decide(replace(NOTHING, last_exit=replace(CRASH, ago_s=0.3), lost_s=0.3)) == "start"
    pauses = [pause_after(replace(CRASH, in_a_row=number)) for number in range(1, 7)]
    assert pauses == sorted(pauses)
    assert pauses[-1] == 30.0
    assert isinstance(present(replace(NOTHING, last_exit=CRASH, lost_s=0.0)), Searching)
    assert isinstance(present(replace(NOTHING, last_exit=replace(CRASH, in_a_row=9))), Unreachable)


def test_an_engine_that_ends_at_once_shows_its_last_sentence() -> None:
    facts = replace(NOTHING, last_exit=REFUSAL)
    assert decide(facts) == "wait"
    state = present(facts)
    assert isinstance(state, Unreachable)
    assert state.problem.message == "No model here"
    assert state.can_retry
    assert decide(replace(NOTHING, last_exit=replace(REFUSAL, ago_s=31))) == "start"


def test_exit_code_3_means_another_engine_which_is_waited_for() -> None:
    assert decide(replace(NOTHING, last_exit=TAKEN)) == "wait"
    assert isinstance(present(replace(NOTHING, last_exit=TAKEN)), Searching)
    late = present(replace(NOTHING, last_exit=replace(TAKEN, ago_s=5)))
    assert isinstance(late, Unreachable)
    assert "does not answer" in late.problem.message


def test_attaching_only_says_that_none_runs_after_looking_around() -> None:
    attach = replace(NOTHING, may_start=False)
    assert isinstance(present(attach), Searching)
    absent = present(replace(attach, searching_s=4))
    assert isinstance(absent, Unreachable)
    assert absent.problem.code == "engine-absent"
    lost = present(replace(attach, lost_s=0.0))
    assert isinstance(lost, Unreachable)
    assert lost.problem.code == "engine-lost"


def test_last_words_are_the_expected_error_or_else_the_last_line() -> None:
    words = find_last_words("12:00 INFO x\nmeadow: Port 80 is taken.\nChoose another port.\n")
    assert words is not None
    assert (words.message, words.advice) == ("Port 80 is taken.", "Choose another port.")
    trace = find_last_words("Traceback (most recent call last):\n  File x\nValueError: bad\n\n")
    assert trace is not None
    assert trace.message == "ValueError: bad"
    assert find_last_words("\n \n") is None
