"""desktop.log, and what happens to errors that nobody expected: written down in full, shown in one sentence.

The log holds no text of conversations: tracebacks name code and error types, and nothing logs a message's text.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from logging.handlers import RotatingFileHandler
from pathlib import Path
from types import TracebackType

from PySide6.QtCore import QMessageLogContext, QtMsgType, qInstallMessageHandler

from meadow_desktop.language import _
from meadow_engine.api.errors import Problem

_LEVELS = {
    QtMsgType.QtDebugMsg: logging.DEBUG,
    QtMsgType.QtInfoMsg: logging.INFO,
    QtMsgType.QtWarningMsg: logging.WARNING,
    QtMsgType.QtCriticalMsg: logging.ERROR,
    QtMsgType.QtFatalMsg: logging.CRITICAL,
}


def set_up_log(file: Path, on_warning: Callable[[str], None]) -> None:
    """Send this program's and Qt's messages to `file`, or to stderr where it cannot be written."""
    handler: logging.Handler
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handler = RotatingFileHandler(file, maxBytes=1_000_000, backupCount=2, encoding="utf-8")
    except OSError:
        handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    qt = logging.getLogger("qt")

    def take_qt_message(kind: QtMsgType, context: QMessageLogContext, text: str) -> None:
        qt.log(_LEVELS[kind], "%s", text)
        if _LEVELS[kind] >= logging.WARNING:
            on_warning(text)

    qInstallMessageHandler(take_qt_message)


def catch_unexpected(on_problem: Callable[[Problem], None]) -> None:
    """From now on an exception in a slot is logged and becomes a sentence in the window."""
    log = logging.getLogger("meadow_desktop")

    def take(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            return
        log.error("unexpected error", exc_info=(kind, error, trace))
        on_problem(
            Problem(
                code="unexpected",
                message=_("Something went wrong inside Meadow's window"),
                advice=_("The window goes on; the file desktop.log in Meadow's log folder has the details."),
            )
        )

    sys.excepthook = take
