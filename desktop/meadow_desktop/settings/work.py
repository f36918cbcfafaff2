"""Reading of files beside the GUI thread: one thing after the other, each with its end told on the GUI thread.

Threads: `ask`, `close` and `then` on the GUI thread; the work itself on one thread of ours, which must not touch Qt.
Errors: work does not raise; what it raises nevertheless is logged, and `then` is not called.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from PySide6.QtCore import QObject, Qt, Signal

Value = TypeVar("Value")

log = logging.getLogger(__name__)


class Work(QObject):
    """The thread is made with the first question."""

    _done = Signal(object, object)  # then, value

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._pool: ThreadPoolExecutor | None = None
        self._done.connect(self._tell, Qt.ConnectionType.QueuedConnection)

    def ask(self, work: Callable[[], Value], then: Callable[[Value], None]) -> None:
        """Do it, and tell the result when the GUI thread has time."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(1, thread_name_prefix="meadow-files")
        self._pool.submit(self._do, work, then)

    def close(self) -> None:
        """What has not begun is dropped; what is under way ends first, which is short."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None

    def _do(self, work: Callable[[], Any], then: Callable[[Any], None]) -> None:
        try:
            value = work()
        except Exception:
            log.exception("files could not be read")
            return
        self._done.emit(then, value)

    def _tell(self, then: Callable[[Any], None], value: Any) -> None:
        then(value)
