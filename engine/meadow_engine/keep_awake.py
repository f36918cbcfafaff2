"""Keep the computer from going to sleep while others use it, where the person asked for that.

wakepy speaks to the system: the desktop's power manager on Linux (so nothing comes of it without a desktop session),
`caffeinate` on macOS, SetThreadExecutionState on Windows. The screen may still go dark and lock. It may block, and what
a thread began only that thread can end, so it gets one of its own.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager

log = logging.getLogger(__name__)


class KeepAwake:
    """`inhibit` gives a context in which the computer stays awake; it raises for a system that does not let it."""

    def __init__(self, inhibit: Callable[[], AbstractContextManager[object]] | None = None) -> None:
        self._inhibit = inhibit or _stay_awake
        self._release: threading.Event | None = None

    def follow(self, is_wanted: bool) -> None:
        """Begin or end it; returns at once. A failure is a line in the log."""
        if is_wanted and self._release is None:
            self._release = threading.Event()
            threading.Thread(target=self._hold, args=(self._release,), name="meadow-keep-awake", daemon=True).start()
        elif not is_wanted and self._release is not None:
            self._release.set()
            self._release = None

    def _hold(self, release: threading.Event) -> None:
        try:
            with self._inhibit():
                log.info("The computer is kept awake while it shares")
                release.wait()
        except Exception as error:  # noqa: BLE001 - whatever the system says, sharing goes on without
            log.warning("The computer may go to sleep while it shares: %s", type(error).__name__)


def _stay_awake() -> AbstractContextManager[object]:
    from wakepy import keep

    return keep.running(on_fail="error")
