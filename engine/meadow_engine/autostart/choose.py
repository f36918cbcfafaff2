"""Which way of starting by itself this system has. Choosing writes nothing."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from meadow_engine.autostart.desktop_entry import DesktopEntry
from meadow_engine.autostart.interface import Autostart, AutostartUnavailableError, Run, run_program
from meadow_engine.autostart.launch_agent import LaunchAgent
from meadow_engine.autostart.run_key import RunKey
from meadow_engine.autostart.systemd_unit import SystemdUnit


@dataclass(frozen=True)
class Surroundings:
    """What the choice depends on."""

    platform: str
    home: Path
    variables: Mapping[str, str]
    runs_systemd: bool
    user: int
    run: Run
    registry: Any = None
    """The module `winreg` on Windows."""

    @property
    def configuration(self) -> Path:
        """The XDG base folder; a path that is not absolute does not count, says its specification."""
        named = Path(self.variables.get("XDG_CONFIG_HOME", ""))
        return named if named.is_absolute() else self.home / ".config"


def find_surroundings() -> Surroundings:
    registry: Any = None
    if sys.platform == "win32":
        import winreg as registry
    return Surroundings(
        sys.platform,
        Path.home(),
        os.environ,
        runs_systemd=Path("/run/systemd/system").is_dir(),  # sd_booted(3)
        user=os.getuid() if sys.platform != "win32" else 0,
        run=run_program,
        registry=registry,
    )


def choose(*, is_headless: bool, here: Surroundings | None = None) -> Autostart:
    """The way for the engine alone, or for the app with its tray.

    Raises:
        AutostartUnavailableError: this system has none.
    """
    here = here or find_surroundings()
    match here.platform:
        case "win32":
            return RunKey(here.registry, is_headless=is_headless)
        case "darwin":
            return LaunchAgent(here.home, here.run, is_headless=is_headless, user=here.user)
        case _ if not is_headless:
            return DesktopEntry(here.configuration)
        case _ if here.runs_systemd:
            return SystemdUnit(here.configuration, here.run)
        case _:
            raise AutostartUnavailableError(
                "This system has no systemd that could start the engine",
                "Let what starts programs here run `meadow --no-gui` as your user, such as a line @reboot of cron.",
            )
