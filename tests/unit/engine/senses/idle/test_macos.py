"""macOS with a faked call, as documented; not run on hardware."""

from __future__ import annotations

import ctypes
import math
from types import SimpleNamespace

import pytest

from meadow_engine.senses.idle.macos import MacosIdle, load_seconds_since_input


async def test_asks_for_any_input_of_the_hardware() -> None:
    asked: list[tuple[int, int]] = []

    def seconds_since_input(state: int, event: int) -> float:
        asked.append((state, event))
        return 12.5

    assert await MacosIdle(seconds_since_input).read() == 12.5
    assert asked == [(1, 0xFFFFFFFF)]


@pytest.mark.parametrize("nonsense", [-1.0, math.nan, math.inf])
async def test_a_number_that_cannot_be_is_not_known(nonsense: float) -> None:
    assert await MacosIdle(lambda _state, _event: nonsense).read() is None


async def test_the_library_function_is_called_with_its_c_types() -> None:
    received: list[tuple[int, int]] = []

    def function(state: int, event: int) -> float:
        received.append((state, event))
        return 200.25

    compiled = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_int32, ctypes.c_uint32)(function)

    def load(path: str) -> SimpleNamespace:
        assert path.endswith("/ApplicationServices")
        return SimpleNamespace(CGEventSourceSecondsSinceLastEventType=compiled)

    assert await MacosIdle(load_seconds_since_input(load)).read() == 200.25
    assert received == [(1, 0xFFFFFFFF)]


def test_elsewhere_there_is_no_such_library() -> None:
    with pytest.raises(OSError, match="ApplicationServices"):
        load_seconds_since_input()
