"""The settings of a running engine: read at its start, changed by the control API, read again when the file changed.

Threads: all methods may be called from any thread; those that touch the disk (`change`, `reload`) belong off the loop.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path

from meadow_client.errors import UsageError
from meadow_engine.api.settings import Counts, Settings
from meadow_engine.api.settings_overview import SettingsOverview, fixed_by, state_of_settings
from meadow_engine.settings_file import change_settings, read_leniently
from meadow_engine.settings_layers import Layer, LayeredSettings, read_variables


class SettingFixedError(UsageError):
    """A setting that a flag or a variable fixes cannot be changed while the engine runs."""

    code = "setting-fixed"

    def __init__(self, name: str, by: str) -> None:
        super().__init__(
            f"{name} is fixed by {by}", f"Start the engine without {by} to change it here. Nothing was changed."
        )
        self.name = name


class KeptSettings:
    """What is in force now, and how to change it. Flags and variables stay as they were at the start.

    Broken files and variables never raise: see `problems`. A person who types flags is there to mend them.

    Raises:
        UsageError: flags that cannot be meant, all of them.
    """

    def __init__(
        self,
        path: Path,
        flags: Mapping[str, object] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._path = path
        self._above = (read_variables(environment or {}), Layer("flag", flags or {}))
        self._writing = threading.Lock()
        self._stamp = _stamp(path)
        self._layered: LayeredSettings = read_leniently(path, self._above)
        mistyped = [problem.text for problem in self._layered.problems if problem.source == "flag"]
        if mistyped:
            raise UsageError("; ".join(mistyped), "`meadow --help` says what every flag may be.")

    @property
    def settings(self) -> Settings:
        """A value that does not change; ask again for what is in force later."""
        return self._layered.settings

    @property
    def problems(self) -> list[str]:
        """Sentences about what cannot be meant, and what follows from it; empty when all is well."""
        return self._layered.words()

    def overview(self, in_use: Mapping[Counts, Settings] | None = None) -> SettingsOverview:
        """Everything that the settings page shows; `in_use` as for `state_of_settings`."""
        layered = self._layered
        return SettingsOverview(
            file=str(self._path),
            can_change=layered.can_change,
            problems=layered.words(),
            settings=state_of_settings(layered.settings, layered.sources, in_use),
        )

    def change(self, changes: Mapping[str, object]) -> Settings:
        """Write values to the file, all or none, and put them in force; None goes back to the default.

        Raises:
            SettingFixedError: a flag or variable says otherwise.
            SettingsBrokenError: the file is no TOML and has to be mended first.
            SettingsRefusedError: the values are not possible.
            SettingsUnwritableError: the system refused to write.
        """
        with self._writing:
            for name in changes:
                if by := fixed_by(name, self._layered.sources.get(name, "default")):
                    raise SettingFixedError(name, by)
            change_settings(self._path, changes, self._above)
            self._stamp = _stamp(self._path)
            self._layered = read_leniently(self._path, self._above)
        return self.settings

    @property
    def is_stale(self) -> bool:
        """Whether somebody has changed the file since it was read."""
        return _stamp(self._path) != self._stamp

    def reload(self) -> bool:
        """Read the file again; whether anything is different now."""
        with self._writing:
            self._stamp = _stamp(self._path)
            before, self._layered = self._layered, read_leniently(self._path, self._above)
            return before != self._layered


def _stamp(path: Path) -> tuple[int, int, int] | None:
    """What changes with a file's content; None where there is no file."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
