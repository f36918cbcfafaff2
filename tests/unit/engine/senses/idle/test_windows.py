"""Windows with faked calls, as documented; not run on hardware."""

from __future__ import annotations

import ctypes
from typing import Any

import pytest

from meadow_engine.senses.idle.windows import LastInputInfo, SystemCalls, WindowsIdle

WRAP_MS = 1 << 32


class FakeWindows:
    """A computer that was started `up_ms` ago."""

    def __init__(self, up_ms: int) -> None:
        self.up_ms = up_ms
        self.last_ms: int | None = up_ms % WRAP_MS

    def input(self) -> None:
        self.last_ms = self.up_ms % WRAP_MS

    def pass_ms(self, milliseconds: int) -> None:
        self.up_ms += milliseconds

    def last_input_ms(self) -> int | None:
        return self.last_ms

    def now_ms(self) -> int:
        return self.up_ms


async def test_tells_seconds_since_the_last_input() -> None:
    windows = FakeWindows(up_ms=3_600_000)
    sense = WindowsIdle(windows)
    assert await sense.read() == 0
    windows.pass_ms(180_500)
    assert await sense.read() == 180.5
    windows.input()
    assert await sense.read() == 0


async def test_the_32_bit_count_begins_again_between_input_and_reading() -> None:
    windows = FakeWindows(up_ms=WRAP_MS - 1000)
    sense = WindowsIdle(windows)
    windows.pass_ms(3000)
    assert await sense.read() == 3
    windows.input()
    windows.pass_ms(500)
    assert await sense.read() == 0.5


async def test_two_months_without_input_are_two_months() -> None:
    windows = FakeWindows(up_ms=5_000)
    sense = WindowsIdle(windows)
    await sense.read()
    windows.pass_ms(60 * 24 * 3_600_000)
    assert await sense.read() == 60 * 24 * 3600


async def test_input_from_a_little_ahead_of_the_clock_is_input_now() -> None:
    windows = FakeWindows(up_ms=100_000)
    sense = WindowsIdle(windows)
    windows.last_ms = 100_016
    assert await sense.read() == 0
    windows.pass_ms(2000)
    assert await sense.read() == 2


async def test_a_call_that_fails_is_not_known() -> None:
    windows = FakeWindows(up_ms=100_000)
    windows.last_ms = None
    assert await WindowsIdle(windows).read() is None


def test_elsewhere_there_are_no_such_calls() -> None:
    with pytest.raises(OSError, match="not Windows"):
        SystemCalls.load()


async def test_the_structure_is_handed_over_as_windows_wants_it() -> None:
    def get_last_input_info(info: Any) -> int:
        if info.contents.cbSize != 8:
            return 0
        info.contents.dwTime = 0xFFFF_FF00
        return 1

    def get_tick_count() -> int:
        return WRAP_MS + 244

    calls = SystemCalls(
        ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(LastInputInfo))(get_last_input_info),
        ctypes.CFUNCTYPE(ctypes.c_uint64)(get_tick_count),
    )
    assert await WindowsIdle(calls).read() == 0.5


def test_a_refusal_by_windows_is_no_time() -> None:
    refuse = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(LastInputInfo))(lambda _info: 0)
    ticks = ctypes.CFUNCTYPE(ctypes.c_uint64)(lambda: 1)
    assert SystemCalls(refuse, ticks).last_input_ms() is None
