"""Lets the device rest between pieces of work, so that it computes for no more than a share of the time.

This is also the way to a lower power draw and less noise: it needs no rights and works on every device. Whoever works
rests by sleeping, on its own thread; `hurry` may be called from any other.
"""

from __future__ import annotations

import threading
from collections.abc import Callable


class DutyCycle:
    """After c seconds of work, c·(1/share − 1) seconds of rest; a share of 1 never rests.

    Nothing is cut short or forgiven: where a rest had a bound, long prompts would break the share that was promised.
    """

    def __init__(self, wait: Callable[[float], object] | None = None) -> None:
        """`wait` sleeps for so many seconds; its own way of sleeping ends when somebody hurries."""
        self._is_in_a_hurry = threading.Event()
        self._wait = wait or self._is_in_a_hurry.wait
        self.share = 1.0

    def rest_after(self, computed_s: float) -> None:
        """Sleep as long as work of this length asks for."""
        if self.share < 1 and not self._is_in_a_hurry.is_set():
            self._wait(computed_s * (1 / self.share - 1))

    def hurry(self) -> None:
        """End the rest under way, and take no more: the device is about to be given back."""
        self._is_in_a_hurry.set()
