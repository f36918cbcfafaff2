"""What the session bus tells the tray, where there is such a bus: Linux and the BSDs. GUI thread."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal
from PySide6.QtDBus import QDBusConnection, QDBusMessage, QDBusPendingCallWatcher
from PySide6.QtGui import QGuiApplication

ICON_PANELS = "org.kde.StatusNotifierWatcher"
"""The name that a panel, or who speaks for all panels, owns while icons can be shown."""

_LOCK = ("org.gnome.ScreenSaver", "/org/gnome/ScreenSaver", "org.gnome.ScreenSaver", "GetActive")
_ANSWER_MS = 2000


def find_session_bus() -> QDBusConnection | None:
    """The bus that Qt's own tray icons use; None on other systems, and where no bus answers."""
    if QGuiApplication.platformName() not in {"xcb", "wayland"}:
        return None
    bus = QDBusConnection.sessionBus()
    return bus if bus.isConnected() else None


class LockQuestion(QObject):
    """Asks once whether GNOME shows its lock screen; where nobody tells, it does not. An answer always comes."""

    answered = Signal(bool)

    def __init__(self, bus: QDBusConnection, parent: QObject | None = None) -> None:
        super().__init__(parent)
        question = QDBusMessage.createMethodCall(*_LOCK)
        question.setAutoStartService(False)
        self._call = QDBusPendingCallWatcher(bus.asyncCall(question, _ANSWER_MS), self)
        self._call.finished.connect(self._take_answer)

    def _take_answer(self) -> None:
        reply = self._call.reply()
        self.answered.emit(not self._call.isError() and reply.arguments() == [True])
