"""A rate is kept over any length of time, without bursts after a silence."""

from __future__ import annotations

import pytest

from meadow_engine.serving.pace import Pace


def sent_within(pace: Pace, seconds: float, piece: int, oversleep_s: float = 0.0) -> int:
    """What goes out from second 100 on, when somebody sends as soon as they may, or a little later."""
    now_s, total = 100.0, 0
    while now_s < 100 + seconds:
        if (delay_s := pace.delay_s(now_s)) > 0:
            now_s += delay_s + oversleep_s
            continue
        pace.sent(now_s, piece)
        total += piece
    return total


def test_the_rate_is_kept() -> None:
    assert sent_within(Pace(1_000_000), 10, 16_384) == pytest.approx(10_000_000, rel=0.02)


def test_a_sender_that_oversleeps_catches_up() -> None:
    assert sent_within(Pace(1_000_000), 10, 16_384, oversleep_s=0.05) == pytest.approx(10_000_000, rel=0.02)


def test_silence_saves_up_next_to_nothing() -> None:
    pace = Pace(1000)
    pace.sent(0.0, 1)
    assert sent_within(pace, 1, 10) <= 1120


def test_what_went_out_without_asking_is_paid_for_later() -> None:
    pace = Pace(1000)
    pace.sent(100.0, 5000)
    assert pace.delay_s(100.0) == pytest.approx(4.9)
    assert pace.delay_s(104.0) == pytest.approx(0.9)
    assert pace.delay_s(105.0) == 0


def test_without_a_rate_nobody_waits() -> None:
    pace = Pace(0)
    pace.sent(100.0, 10**12)
    assert pace.delay_s(100.0) == 0
