"""Whether a panel is there to show our icon, and whether it is missed. GUI thread.

    session bus: another owner of `ICON_PANELS` ──┐
    timer ────────────────────────────────────────┴─► is_there() ──► changed ──► for a while ──► missed

The bus tells at once. The timer is for panels of the older kind (XEmbed), of which nobody tells: it asks often where
panels come and go, at the login, and seldom later, because every asking wakes the computer.
A panel that crashed is started again within moments, so nobody has missed it then. GNOME takes all icons away while
the screen is locked, and shows them again afterwards: nobody misses them meanwhile either.
"""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject, QTimer, Signal
from PySide6.QtDBus import QDBusConnection, QDBusServiceWatcher

from meadow_desktop.tray.session_bus import ICON_PANELS, LockQuestion

LOOK_OFTEN_MS = 2000
RESTART_MS = 2000
_LOOK_SELDOM_MS = 60_000
# A login takes its time, and so does a panel that crashed and is started again.
_LOOKS_AFTER_NEWS = 15


class HostWatch(QObject):
    """Watches from its creation to `stop`. `bus` is None where there is none; `is_there` asks for any kind of panel."""

    changed = Signal(bool)  # a panel is there now, or another one than before
    missed = Signal()

    def __init__(
        self,
        bus: QDBusConnection | None,
        is_there: Callable[[], bool],
        *,
        look_often_ms: int = LOOK_OFTEN_MS,
        restart_ms: int = RESTART_MS,
        locked_ms: int = _LOOK_SELDOM_MS,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._bus = bus
        self._is_there = is_there
        self._look_often_ms = look_often_ms
        self._restart_ms = restart_ms
        self._locked_ms = locked_ms
        self._owners: QDBusServiceWatcher | None = None
        if bus is not None:
            owner_changes = QDBusServiceWatcher.WatchModeFlag.WatchForOwnerChange
            self._owners = QDBusServiceWatcher(ICON_PANELS, bus, owner_changes, self)
            self._owners.serviceOwnerChanged.connect(self._take_owner)
        self._has_host = is_there()
        self._looks_left = _LOOKS_AFTER_NEWS
        self._timer = QTimer(self, interval=look_often_ms)
        self._timer.timeout.connect(self._look_again)
        self._timer.start()
        self._patience = QTimer(self, singleShot=True)
        self._patience.timeout.connect(self._ask_for_lock)
        self._question: LockQuestion | None = None

    @property
    def has_host(self) -> bool:
        """A panel shows icons."""
        return self._has_host

    def stop(self) -> None:
        """Nothing is told any more."""
        self._timer.stop()
        self._calm()
        if self._owners is not None:
            self._owners.setWatchedServices([])

    def _take_owner(self, _name: str, _old: str, new: str) -> None:
        # A program may show icons of both kinds, and when it ends they do not go at the same time.
        self._look_often()
        had_host = self._has_host
        self._look()
        if had_host and self._has_host and not new:
            self.changed.emit(True)

    def _look_often(self) -> None:
        self._looks_left = _LOOKS_AFTER_NEWS
        self._timer.start(self._look_often_ms)

    def _look(self) -> None:
        has_host = self._is_there()
        if has_host == self._has_host:
            return
        self._has_host = has_host
        self._look_often()
        if has_host:
            self._calm()
        else:
            self._patience.start(self._restart_ms)
        self.changed.emit(has_host)

    def _look_again(self) -> None:
        self._look()
        self._looks_left -= 1
        if self._looks_left <= 0:
            self._timer.start(_LOOK_SELDOM_MS)

    def _calm(self) -> None:
        self._patience.stop()
        if self._question is not None:
            self._question.deleteLater()
            self._question = None

    def _ask_for_lock(self) -> None:
        if self._bus is None:
            self.missed.emit()
            return
        self._question = LockQuestion(self._bus, self)
        self._question.answered.connect(self._take_lock)

    def _take_lock(self, is_locked: bool) -> None:
        if self._question is None:  # the panel came back meanwhile
            return
        self._calm()
        if is_locked:
            self._patience.start(self._locked_ms)
        else:
            self.missed.emit()
