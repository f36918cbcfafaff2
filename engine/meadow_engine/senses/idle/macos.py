"""Idle seconds on macOS, from Quartz Event Services.

Written from documentation and tested with a faked call; not run on hardware yet. Hardware events of all sessions are
counted, events that programs make are not. The call takes microseconds and needs no permission, because it tells when
there was input and not which. No notice comes at the person's return: it has to be polled.

Source: developer.apple.com, CGEventSourceSecondsSinceLastEventType, CGEventSourceStateID.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable
from typing import Any

_LIBRARY = "/System/Library/Frameworks/ApplicationServices.framework/ApplicationServices"
_HARDWARE_STATE = 1  # kCGEventSourceStateHIDSystemState
_ANY_INPUT = 0xFFFFFFFF  # kCGAnyInputEventType

SecondsSinceInput = Callable[[int, int], float]
"""Takes the event source's state and the type of event."""


def load_seconds_since_input(load: Callable[[str], Any] = ctypes.CDLL) -> SecondsSinceInput:
    """The system's own call; OSError or AttributeError where this system lacks it."""
    call = load(_LIBRARY).CGEventSourceSecondsSinceLastEventType
    call.argtypes = [ctypes.c_int32, ctypes.c_uint32]
    call.restype = ctypes.c_double
    seconds: SecondsSinceInput = call
    return seconds


class MacosIdle:
    """Idle seconds of this Mac."""

    name = "macOS event source"
    tells_return = False

    def __init__(self, seconds_since_input: SecondsSinceInput) -> None:
        self._seconds_since_input = seconds_since_input

    async def read(self) -> float | None:
        """Seconds without input; None when the system gives no sensible number, as without a window server."""
        seconds = self._seconds_since_input(_HARDWARE_STATE, _ANY_INPUT)
        return seconds if math.isfinite(seconds) and seconds >= 0 else None

    async def aclose(self) -> None:
        """Nothing is held."""
