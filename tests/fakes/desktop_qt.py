"""Qt in the test's own process: waiting for something while events are handled, and warnings that fail tests."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType

from PySide6.QtCore import QCoreApplication, QEvent, QEventLoop, QMessageLogContext, QtMsgType, qInstallMessageHandler

_HARMLESS = ("This plugin does not support",)  # the offscreen platform has no window manager


def wait_until(condition: Callable[[], bool], timeout_s: float = 10.0) -> None:
    """Handle events until the condition holds."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError("it did not happen in time")
        QCoreApplication.processEvents(QEventLoop.ProcessEventsFlag.AllEvents, 20)
        time.sleep(0.002)


def settle() -> None:
    """Handle what is pending: deletions, and layouts, which take several rounds."""
    for _ in range(6):
        QCoreApplication.processEvents()
        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
        time.sleep(0.005)


@contextmanager
def no_complaints() -> Iterator[None]:
    """Fail when Qt warns, or when an exception ends a slot (which PySide only prints)."""
    complaints: list[str] = []

    def take_message(kind: QtMsgType, context: QMessageLogContext, text: str) -> None:
        if kind != QtMsgType.QtDebugMsg and kind != QtMsgType.QtInfoMsg and not text.startswith(_HARMLESS):
            complaints.append(text)

    def take_exception(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        complaints.append(f"{kind.__name__}: {error}")
        sys.__excepthook__(kind, error, trace)

    before_hook, sys.excepthook = sys.excepthook, take_exception
    before = qInstallMessageHandler(take_message)
    try:
        yield
    finally:
        qInstallMessageHandler(before)
        sys.excepthook = before_hook
    assert not complaints, complaints
