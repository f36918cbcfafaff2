"""A unit of the user's own systemd: for the engine alone.

Sources: systemd.service(5) for command lines, systemd.syntax(7) for quoting, systemd.unit(5) for specifiers.
The leading `:` of ExecStart switches off that `$NAME` is replaced (systemd 244 and later).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from subprocess import CompletedProcess

from meadow_engine.autostart.interface import AutostartRefusedError, Run, remove_entry, through_shell, write_entry

UNIT = "meadow.service"
_PLAIN = re.compile(r"[\w./:@+=,-]+", re.ASCII)
_NOT_IN_A_PROGRAM = frozenset("\"'\\")  # systemd refuses these in the program's path, quoted or not

# KillMode: p2pd and the host end when the engine has handed over its conversations, not at the same time.
# RestartPreventExitStatus: wrong usage and "runs already" will not be better next time.
_TEXT = """\
# Written by `meadow autostart on --headless`; `meadow autostart off` removes it.
[Unit]
Description=Meadow: lends this computer to language models while nobody uses it
StartLimitIntervalSec=600
StartLimitBurst=5

[Service]
Type=exec
ExecStart=:{command}
Restart=on-failure
RestartSec=10
RestartPreventExitStatus=2 3
KillMode=mixed
TimeoutStopSec=60

[Install]
WantedBy=default.target
"""


class SystemdUnit:
    """meadow.service in this user's folder of units.

    Args:
        configuration: the user's folder of configuration, such as ~/.config.
    """

    def __init__(self, configuration: Path, run: Run) -> None:
        self._configuration = configuration
        self._run = run
        self.path = configuration / "systemd" / "user" / UNIT
        self._wanted = self.path.parent / "default.target.wants" / UNIT

    def is_on(self) -> bool:
        return self.path.is_file() and self._wanted.exists()

    def switch_on(self, command: Sequence[str]) -> None:
        write_entry(self.path, unit_text(command))
        # Offline, because a login by `su` or in a container has no manager to talk to, and the next one reads the same.
        enabled = self._systemctl("enable", UNIT, is_offline=True)
        if not self._wanted.exists():
            last_words = enabled.stderr.strip().rpartition("\n")[2] or f"exit code {enabled.returncode}"
            raise AutostartRefusedError(f"systemd does not take {self.path} ({last_words})")
        self._systemctl("daemon-reload")

    def switch_off(self) -> None:
        if self.path.exists():
            self._systemctl("disable", UNIT, is_offline=True)
        remove_entry(self._wanted)
        remove_entry(self.path)
        self._systemctl("daemon-reload")

    def describe(self) -> str:
        return (
            f"the systemd unit {self.path} starts the engine when you log in;"
            " after `loginctl enable-linger` also without a login"
        )

    def _systemctl(self, *arguments: str, is_offline: bool = False) -> CompletedProcess[str]:
        variables = {"XDG_CONFIG_HOME": str(self._configuration), "SYSTEMD_OFFLINE": str(int(is_offline))}
        return self._run(["systemctl", "--user", "--quiet", *arguments], variables)


def unit_text(command: Sequence[str]) -> str:
    """The unit's file."""
    if not _NOT_IN_A_PROGRAM.isdisjoint(command[0]):
        command = through_shell(command)
    return _TEXT.format(command=" ".join(map(_quote, command)))


def _quote(word: str) -> str:
    if _PLAIN.fullmatch(word):
        return word
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"'
