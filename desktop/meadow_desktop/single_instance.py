"""One desktop for each person and base folder: a second launch raises the first one's window and ends.

The lock file says who is first (QLockFile drops the lock of a dead process); a local socket that only this user
may open carries one word to the first. Threads: GUI thread; `ask_first` blocks for at most 3 s, before any window.
"""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

from PySide6.QtCore import QLockFile, QObject, Signal
from PySide6.QtNetwork import QLocalServer, QLocalSocket

_SHOW = b"show\n"
_TAKEN = b"ok\n"
_PATIENCE_S = 3.0


class SingleInstance(QObject):
    """Holds the lock while it lives."""

    show_asked = Signal()

    def __init__(self, runtime: Path, parent: QObject | None = None) -> None:
        super().__init__(parent)
        # Socket paths are limited to about 100 bytes, base folders are not.
        self._name = "meadow-" + hashlib.sha256(str(runtime).encode()).hexdigest()[:24]
        self._lock = QLockFile(str(runtime / "desktop.lock"))
        self._lock.setStaleLockTime(0)
        self._server = QLocalServer(self)
        self._server.setSocketOptions(QLocalServer.SocketOption.UserAccessOption)
        self._server.newConnection.connect(self._answer)

    def become_first(self) -> bool:
        """Take the lock, and listen; False when another desktop has it.

        Raises:
            OSError: the runtime folder cannot be written.
        """
        Path(self._lock.fileName()).parent.mkdir(parents=True, exist_ok=True)
        if not self._lock.tryLock(0):
            if self._lock.error() == QLockFile.LockError.PermissionError:
                raise PermissionError(13, "Permission denied", self._lock.fileName())
            return False
        QLocalServer.removeServer(self._name)
        self._server.listen(self._name)
        return True

    def ask_first(self) -> bool:
        """Ask the first desktop to show its window; False when it does not answer."""
        deadline = time.monotonic() + _PATIENCE_S
        while time.monotonic() < deadline:
            socket = QLocalSocket()
            socket.connectToServer(self._name)
            if socket.waitForConnected(500):
                socket.write(_SHOW)
                socket.waitForBytesWritten(500)
                if socket.waitForReadyRead(2000) and socket.readAll().data() == _TAKEN:
                    socket.disconnectFromServer()
                    return True
            time.sleep(0.1)
        return False

    def release(self) -> None:
        """Let the next desktop be first."""
        self._server.close()
        self._lock.unlock()

    def _answer(self) -> None:
        socket = self._server.nextPendingConnection()
        socket.readyRead.connect(lambda: self._take(socket))
        socket.disconnected.connect(socket.deleteLater)
        if socket.bytesAvailable():
            self._take(socket)

    def _take(self, socket: QLocalSocket) -> None:
        if socket.readAll().data() == _SHOW:
            socket.write(_TAKEN)
            socket.flush()
            self.show_asked.emit()
