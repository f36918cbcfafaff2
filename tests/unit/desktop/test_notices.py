"""The person is interrupted for what needs them, once, and not while they look at the window."""

from __future__ import annotations

from meadow_desktop.tray.notices import QUIET_S, Notice, NoticeMemory, decide_notice
from meadow_desktop.tray.view import EngineView

FAILED = EngineView("attention", "Sharing failed", "The disk is full.")
FINE = EngineView("sharing", "Sharing layers 0–2 of meadow-demo")


def test_what_needs_the_person_is_told_once() -> None:
    memory, told = decide_notice(NoticeMemory(), FAILED, 100.0, is_window_seen=False)
    assert told == Notice("Sharing failed", "The disk is full.")
    for now_s in (101.0, 100.0 + QUIET_S - 1):
        memory, told = decide_notice(memory, FAILED, now_s, is_window_seen=False)
        assert told is None
    assert decide_notice(memory, FAILED, 100.0 + QUIET_S, is_window_seen=False)[1] is not None


def test_another_trouble_is_told_at_once() -> None:
    memory, _told = decide_notice(NoticeMemory(), FAILED, 100.0, is_window_seen=False)
    other = EngineView("attention", "The engine could not be started")
    assert decide_notice(memory, other, 101.0, is_window_seen=False)[1] == Notice(other.headline, "")


def test_whoever_looks_at_the_window_is_not_interrupted_about_it_later_either() -> None:
    memory, told = decide_notice(NoticeMemory(), FAILED, 100.0, is_window_seen=True)
    assert told is None
    assert decide_notice(memory, FAILED, 160.0, is_window_seen=False)[1] is None


def test_all_other_states_are_quiet() -> None:
    for view in (FINE, EngineView("paused", "Paused"), EngineView("offline", "No engine runs on this computer")):
        assert decide_notice(NoticeMemory(), view, 0.0, is_window_seen=False) == (NoticeMemory(), None)
