"""A computer that slept is told from one that was awake, and from one whose clock was corrected."""

from __future__ import annotations

import pytest

from fakes.clock import FakeClock
from meadow_client.sleep_watch import SleepWatch


class Computer:
    """Two clocks, of which one stands still while the computer sleeps."""

    def __init__(self) -> None:
        self.clock, self.wall_clock = FakeClock(), FakeClock()
        self.wall_clock.advance(1e9)
        self.watch = SleepWatch(self.clock, self.wall_clock)

    def stay_awake(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.wall_clock.advance(seconds)


def test_a_computer_that_is_awake_has_not_slept_however_long_nobody_asked() -> None:
    computer = Computer()
    computer.stay_awake(86400)
    assert computer.watch.slept_s() == 0


def test_a_sleep_is_told_once_and_in_full() -> None:
    computer = Computer()
    computer.stay_awake(10)
    computer.wall_clock.advance(3600)
    computer.stay_awake(1)
    assert computer.watch.slept_s() == pytest.approx(3600)
    assert computer.watch.slept_s() == 0


@pytest.mark.parametrize("seconds", [0.5, -0.5, -3600.0])
def test_a_clock_that_is_corrected_or_set_back_is_no_sleep(seconds: float) -> None:
    computer = Computer()
    computer.wall_clock.advance(seconds)
    assert computer.watch.slept_s() == 0
    computer.wall_clock.advance(60)
    assert computer.watch.slept_s() == pytest.approx(60)
