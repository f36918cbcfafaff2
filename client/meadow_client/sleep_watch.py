"""Whether this computer has been asleep: then the wall clock has gone on, and the monotonic clock has not.

So it is on Linux and macOS. Whoever waits by the monotonic clock wakes up late by as long as the computer slept, and
has missed whatever ends by the wall clock. Pure but for the clocks.
"""

from __future__ import annotations

import time
from collections.abc import Callable

# Less is a clock that is being corrected.
_LEAST_S = 3.0


class SleepWatch:
    """Ask `slept_s` from time to time."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, wall_clock: Callable[[], float] = time.time
    ) -> None:
        self._clock = clock
        self._wall_clock = wall_clock
        self._ahead_s = wall_clock() - clock()

    def slept_s(self) -> float:
        """Seconds slept since the last call, 0 when there were none.

        A wall clock that was set forward looks the same; one that was set back is no sleep.
        """
        before_s, self._ahead_s = self._ahead_s, self._wall_clock() - self._clock()
        slept_s = self._ahead_s - before_s
        return slept_s if slept_s >= _LEAST_S else 0.0
