"""The Run key of Windows' registry: programs that start when this user logs in.

Written from documentation ("Run and RunOnce Registry Keys", Python's winreg); not run on hardware. That Task Manager
keeps its own switch under `StartupApproved`, with an odd first byte for off, is observed by others and not documented.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from typing import Any

from meadow_engine.autostart.interface import AutostartRefusedError

RUN = r"Software\Microsoft\Windows\CurrentVersion\Run"
APPROVED = r"Software\Microsoft\Windows\CurrentVersion\Explorer\StartupApproved\Run"
LONGEST_COMMAND = 260


class RunKey:
    """One value of the Run key.

    Args:
        registry: the module `winreg`, which exists on Windows only.
    """

    def __init__(self, registry: Any, *, is_headless: bool) -> None:
        self._registry = registry
        self._is_headless = is_headless
        self._name = "Meadow engine" if is_headless else "Meadow"

    def is_on(self) -> bool:
        if self._read(RUN) is None:
            return False
        approved = self._read(APPROVED)
        return not (isinstance(approved, bytes) and approved[:1] and approved[0] % 2 == 1)

    def switch_on(self, command: Sequence[str]) -> None:
        line = subprocess.list2cmdline(command)
        if len(line) > LONGEST_COMMAND:
            raise AutostartRefusedError(
                f"Windows starts no command longer than {LONGEST_COMMAND} characters; this one has {len(line)}",
                "Use a folder with a shorter path for --base-dir, or install Meadow in one.",
            )
        try:
            with self._registry.CreateKey(self._registry.HKEY_CURRENT_USER, RUN) as key:
                self._registry.SetValueEx(key, self._name, 0, self._registry.REG_SZ, line)
            self._delete(APPROVED)
        except OSError as error:
            raise self._refused(error) from error

    def switch_off(self) -> None:
        try:
            self._delete(RUN)
            self._delete(APPROVED)
        except OSError as error:
            raise self._refused(error) from error

    def describe(self) -> str:
        started = "engine" if self._is_headless else "app"
        return f"the value {self._name!r} of the registry key HKEY_CURRENT_USER\\{RUN} starts the {started} at login"

    def _read(self, path: str) -> object:
        try:
            with self._registry.OpenKey(self._registry.HKEY_CURRENT_USER, path) as key:
                return self._registry.QueryValueEx(key, self._name)[0]
        except OSError:
            return None

    def _delete(self, path: str) -> None:
        try:
            with self._registry.OpenKey(self._registry.HKEY_CURRENT_USER, path, 0, self._registry.KEY_SET_VALUE) as key:
                self._registry.DeleteValue(key, self._name)
        except FileNotFoundError:
            return  # no such key, or no such value in it

    def _refused(self, error: OSError) -> AutostartRefusedError:
        return AutostartRefusedError(
            f"The registry key HKEY_CURRENT_USER\\{RUN} cannot be changed ({error.strerror or error})",
            "Ask whoever manages this computer whether programs may start by themselves.",
        )
