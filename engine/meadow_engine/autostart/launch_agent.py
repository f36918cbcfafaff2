"""An agent of launchd on macOS: for the app and for the engine alone.

Written from documentation (launchd.plist(5), launchctl(1)); not run on hardware. launchd reads the folder at login,
so a file is enough. A person who switches the agent off in System Settings is not seen here.
"""

from __future__ import annotations

import plistlib
import re
from collections.abc import Sequence
from pathlib import Path

from meadow_engine.autostart.interface import Run, remove_entry, write_entry

# "org.meadow.app" => disabled, or => true before macOS 13
_DISABLED = r'"{label}"\s*=>\s*(disabled|true)\b'
_LEAVE_S = 60
_THROTTLE_S = 60


class LaunchAgent:
    """One property list in ~/Library/LaunchAgents.

    Args:
        user: the number of this user, to whose login session the agent belongs.
    """

    def __init__(self, home: Path, run: Run, *, is_headless: bool, user: int) -> None:
        self._run = run
        self._is_headless = is_headless
        self._label = "org.meadow.engine" if is_headless else "org.meadow.app"
        self._domain = f"gui/{user}"
        self.path = home / "Library" / "LaunchAgents" / f"{self._label}.plist"

    def is_on(self) -> bool:
        if not self.path.is_file():
            return False
        listed = self._run(["launchctl", "print-disabled", self._domain], {})
        return re.search(_DISABLED.format(label=re.escape(self._label)), listed.stdout) is None

    def switch_on(self, command: Sequence[str]) -> None:
        write_entry(self.path, plistlib.dumps(self._agent(command)).decode())
        self._run(["launchctl", "enable", f"{self._domain}/{self._label}"], {})

    def switch_off(self) -> None:
        remove_entry(self.path)

    def describe(self) -> str:
        started = "engine" if self._is_headless else "app"
        return f"the launch agent {self.path} starts the {started} when you log in"

    def _agent(self, command: Sequence[str]) -> dict[str, object]:
        agent: dict[str, object] = {"Label": self._label, "ProgramArguments": [*command], "RunAtLoad": True}
        if not self._is_headless:
            return {**agent, "ProcessType": "Interactive", "LimitLoadToSessionType": "Aqua"}
        return {
            **agent,
            "ProcessType": "Background",
            "KeepAlive": {"SuccessfulExit": False},
            "ThrottleInterval": _THROTTLE_S,
            "ExitTimeOut": _LEAVE_S,
        }
