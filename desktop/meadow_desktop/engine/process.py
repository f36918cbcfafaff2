"""An engine started by this desktop, as a child process that cannot outlive it.

Its stdin is a pipe that nobody writes to: the engine ends when the pipe closes, which the operating system does
even after kill -9 of this program. Its stderr is added to engine.log; its stdout (the ready line) is not needed,
because engine.json says the same. Threads: GUI thread; nothing blocks.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QIODevice, QObject, QProcess, QTimer, Signal

from meadow_desktop.engine.last_words import find_last_words
from meadow_desktop.language import _
from meadow_engine.api.errors import Problem

CLOSE_PATIENCE_MS = 10_000
TERMINATE_PATIENCE_MS = 3_000
_TAIL_BYTES = 16_384

log = logging.getLogger(__name__)


class EngineProcess(QObject):
    """One run of the engine."""

    ended = Signal(object, object)  # exit code: int | None, last words: Problem | None

    def __init__(self, command: Sequence[str], log_file: Path, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._program, *self._arguments = command
        self._log_file = log_file
        self._log_start = 0
        self._has_ended = False
        self._process = QProcess(self)
        self._process.setStandardOutputFile(QProcess.nullDevice())
        self._process.finished.connect(self._finish)
        self._process.errorOccurred.connect(self._fail)

    def start(self) -> None:
        """Start the engine; `ended` follows sooner or later."""
        try:
            self._log_file.parent.mkdir(parents=True, exist_ok=True)
            with self._log_file.open("ab") as file:
                self._log_start = file.tell()
        except OSError as error:
            log.warning("engine.log cannot be written: %s", error.strerror)
            self._process.setStandardErrorFile(QProcess.nullDevice())
        else:
            self._process.setStandardErrorFile(str(self._log_file), QIODevice.OpenModeFlag.Append)
        self._process.start(self._program, self._arguments)
        log.info("engine started with pid %d", self._process.processId())

    @property
    def pid(self) -> int:
        """Its process id; 0 when it does not run."""
        return int(self._process.processId())

    def close(self) -> None:
        """Ask it to end by closing its stdin; after 10 s it is terminated, after 3 more killed."""
        if self._has_ended:
            return
        self._process.closeWriteChannel()
        QTimer.singleShot(CLOSE_PATIENCE_MS, self._process, self._process.terminate)
        QTimer.singleShot(CLOSE_PATIENCE_MS + TERMINATE_PATIENCE_MS, self._process, self._process.kill)

    def _finish(self, code: int, status: QProcess.ExitStatus) -> None:
        crashed = status == QProcess.ExitStatus.CrashExit
        log.info("engine ended with %s %d", "signal" if crashed else "exit code", code)
        # A signal leaves no sentence behind: the last line of the log would be about something else.
        self._end(-code if crashed else code, None if crashed or code == 0 else self._last_words())

    def _fail(self, error: QProcess.ProcessError) -> None:
        if error == QProcess.ProcessError.FailedToStart:
            problem = Problem(
                code="engine-missing",
                message=_("The engine could not be started: {reason}").format(reason=self._process.errorString()),
                advice=_("Install Meadow again; its engine is missing."),
            )
            self._end(None, problem)

    def _end(self, code: int | None, last_words: Problem | None) -> None:
        if self._has_ended:
            return
        self._has_ended = True
        self.ended.emit(code, last_words)
        self.deleteLater()

    def _last_words(self) -> Problem | None:
        try:
            with self._log_file.open("rb") as file:
                end = file.seek(0, 2)
                start = self._log_start if self._log_start <= end else 0  # it began a new file
                file.seek(max(start, end - _TAIL_BYTES))
                return find_last_words(file.read().decode("utf-8", errors="replace"))
        except OSError:
            return None
