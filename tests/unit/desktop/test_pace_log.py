"""What measurements read: when the window is there, and how long it stood still."""

from __future__ import annotations

import io
import json
import time
from typing import Any

from PySide6.QtCore import QObject, QTimer
from PySide6.QtWidgets import QWidget

from fakes.desktop_qt import settle, wait_until
from meadow_desktop.event_log import EventLog
from meadow_desktop.pace_log import FirstSight, PaceLog


def events(out: io.StringIO, name: str) -> list[dict[str, Any]]:
    return [event for event in map(json.loads, out.getvalue().splitlines()) if event["event"] == name]


def test_a_window_that_stood_still_is_told_of_with_what_it_computed_meanwhile() -> None:
    out, owner = io.StringIO(), QObject()
    PaceLog(EventLog(out), owner)
    QTimer.singleShot(20, owner, lambda: time.sleep(0.12))
    QTimer.singleShot(400, owner, lambda: _compute(0.12))
    wait_until(lambda: bool(events(out, "pace")))
    blocks = events(out, "blocked")
    assert [each for each in blocks if each["ms"] >= 120 and each["busy_ms"] < 60]
    assert [each for each in blocks if each["ms"] >= 120 and each["busy_ms"] >= 100]
    assert all(each["busy_ms"] <= each["own_ms"] + 5 and each["own_ms"] <= each["ms"] + 5 for each in blocks)
    assert events(out, "pace")[0]["ms"] == max(each["ms"] for each in blocks)


def test_the_window_is_usable_once_and_after_it_was_drawn() -> None:
    out, window = io.StringIO(), QWidget()
    FirstSight(EventLog(out), window)
    settle()
    assert events(out, "usable") == []
    window.show()
    wait_until(lambda: bool(events(out, "usable")))
    window.update()
    settle()
    assert [each["cpu_s"] > 0 for each in events(out, "usable")] == [True]


def _compute(seconds: float) -> None:
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass
