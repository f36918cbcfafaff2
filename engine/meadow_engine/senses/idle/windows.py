"""Idle seconds on Windows, from GetLastInputInfo.

Written from documentation and tested with faked calls; not run on hardware yet. Only input to the session that this
process runs in is counted: not in a service, not in WSL. No notice comes at the person's return: it has to be polled.

The time of the last input is a 32-bit count of milliseconds since the start, which begins again at 0 every 49.7 days.
It "is not guaranteed to be incremental" and may lie a little ahead of the clock (SendInput brings its own).

Source: learn.microsoft.com, GetLastInputInfo, LASTINPUTINFO, GetTickCount64.
"""

from __future__ import annotations

import ctypes
import sys
from dataclasses import dataclass
from typing import Any, Protocol

_WRAP_MS = 1 << 32
_AHEAD_LIMIT_MS = 60_000


class WindowsCalls(Protocol):
    """The two calls that are needed."""

    def last_input_ms(self) -> int | None:
        """Tick of the last input, 32 bits; None when the call fails."""
        ...

    def now_ms(self) -> int:
        """Ticks now, 64 bits."""
        ...


class LastInputInfo(ctypes.Structure):
    """LASTINPUTINFO: two 32-bit words; the first one says how large the structure is."""

    _fields_ = (("cbSize", ctypes.c_uint32), ("dwTime", ctypes.c_uint32))


class SystemCalls:
    """The functions of user32 and kernel32, or some that behave like them."""

    def __init__(self, get_last_input_info: Any, get_tick_count: Any) -> None:
        get_last_input_info.argtypes = [ctypes.POINTER(LastInputInfo)]
        get_last_input_info.restype = ctypes.c_int
        get_tick_count.argtypes = []
        get_tick_count.restype = ctypes.c_uint64
        self._get_last_input_info = get_last_input_info
        self._get_tick_count = get_tick_count

    @classmethod
    def load(cls) -> SystemCalls:
        """Windows' own; OSError where this system has none."""
        if sys.platform == "win32":
            return cls(ctypes.WinDLL("user32").GetLastInputInfo, ctypes.WinDLL("kernel32").GetTickCount64)
        raise OSError("this is not Windows")

    def last_input_ms(self) -> int | None:
        info = LastInputInfo(cbSize=ctypes.sizeof(LastInputInfo))
        return int(info.dwTime) if self._get_last_input_info(ctypes.byref(info)) else None

    def now_ms(self) -> int:
        return int(self._get_tick_count())


@dataclass(frozen=True)
class _Input:
    tick_ms: int  # 32 bits, as Windows said
    at_ms: int  # 64 bits, as we understood


class WindowsIdle:
    """Idle seconds of this Windows session."""

    name = "Windows last input"
    tells_return = False

    def __init__(self, calls: WindowsCalls) -> None:
        self._calls = calls
        self._last: _Input | None = None

    async def read(self) -> float | None:
        """Seconds without input; None when Windows does not say."""
        tick_ms = self._calls.last_input_ms()
        if tick_ms is None:
            return None
        now_ms = self._calls.now_ms()
        # The same tick as before is the same input: its age goes on growing, also beyond 49.7 days.
        if self._last is None or self._last.tick_ms != tick_ms:
            age_ms = (now_ms - tick_ms) % _WRAP_MS
            is_ahead = age_ms > _WRAP_MS - _AHEAD_LIMIT_MS
            self._last = _Input(tick_ms, now_ms if is_ahead else now_ms - age_ms)
        return (now_ms - self._last.at_ms) / 1000

    async def aclose(self) -> None:
        """Nothing is held."""
