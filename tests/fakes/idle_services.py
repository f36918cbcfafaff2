"""Programs on D-Bus that know about the person: GNOME's Mutter and systemd's login manager, as told by the test."""

from __future__ import annotations

from typing import Any

from dbus_fast import Variant

from fakes.private_bus import FakeService

_MUTTER = "org.gnome.Mutter.IdleMonitor"
_MONITOR_PATH = "/org/gnome/Mutter/IdleMonitor/Core"
_LOGIND = "org.freedesktop.login1"
_USER_PATH = "/org/freedesktop/login1/user/_1000"
_SESSION_PATH = "/org/freedesktop/login1/session/_32"


class FakeMutter(FakeService):
    """Answers as Mutter does; `idle_ms` None means that it hangs."""

    def __init__(self, address: str, idle_ms: int | None = 0) -> None:
        super().__init__(address, _MUTTER)
        self.idle_ms = idle_ms
        self.watches: set[int] = set()
        self.methods[_MONITOR_PATH, _MUTTER, "GetIdletime"] = self._get_idle_time
        self.methods[_MONITOR_PATH, _MUTTER, "AddUserActiveWatch"] = self._add_watch
        self._added = 0

    async def input(self) -> None:
        """The person comes back: every watch fires once."""
        self.idle_ms = 0
        for watch in sorted(self.watches):
            await self.signal(_MONITOR_PATH, _MUTTER, "WatchFired", "u", [watch])
        self.watches.clear()

    def answer_with(self, signature: str, value: Any) -> None:
        """Answer something else than Mutter does."""
        self.methods[_MONITOR_PATH, _MUTTER, "GetIdletime"] = lambda: (signature, [value])

    def _get_idle_time(self) -> tuple[str, list[Any]] | None:
        return None if self.idle_ms is None else ("t", [self.idle_ms])

    def _add_watch(self) -> tuple[str, list[Any]]:
        self._added += 1
        self.watches.add(self._added)
        return "u", [self._added]


class FakeLogind(FakeService):
    """One person with one session at the computer's own seat; asked about anybody else it hangs."""

    def __init__(self, address: str, user_id: int) -> None:
        super().__init__(address, _LOGIND)
        self._user_id = user_id
        self.methods["/org/freedesktop/login1", f"{_LOGIND}.Manager", "GetUser"] = self._get_user
        self.user = {"Display": Variant("(so)", ["2", _SESSION_PATH])}
        self.session = {
            "IdleHint": Variant("b", False),
            "IdleSinceHintMonotonic": Variant("t", 0),
            "LockedHint": Variant("b", False),
            "Remote": Variant("b", False),
            "Seat": Variant("(so)", ["seat0", "/org/freedesktop/login1/seat/seat0"]),
        }
        self.properties[_USER_PATH, f"{_LOGIND}.User"] = self.user
        self.properties[_SESSION_PATH, f"{_LOGIND}.Session"] = self.session

    def idle_since(self, seconds: float) -> None:
        """The desktop says that the person is away."""
        self.session["IdleHint"] = Variant("b", True)
        self.session["IdleSinceHintMonotonic"] = Variant("t", round(seconds * 1e6))

    def _get_user(self, user_id: int) -> tuple[str, list[Any]] | None:
        return ("o", [_USER_PATH]) if user_id == self._user_id else None
