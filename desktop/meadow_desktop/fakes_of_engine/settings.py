"""What the fake engine pretends of the settings: their values.

Nothing is written anywhere. Threads: none of its own; each answer is made from values that are replaced as a whole.
"""

from __future__ import annotations

from typing import Any

from meadow_desktop.fakes_of_engine.asked import refusal
from meadow_engine.api.places import Places
from meadow_engine.api.settings import Counts, Settings
from meadow_engine.api.settings_overview import SettingsOverview, Source, fixed_by, state_of_settings


class FakeSettings:
    """Defaults, but for what was changed here. Tests fix settings in `fixed` and complain in `problems`."""

    def __init__(self, places: Places) -> None:
        self.places = places
        self.changed: dict[str, Any] = {}
        self.changes: list[dict[str, Any]] = []
        self.fixed: dict[str, tuple[Source, Any]] = {}
        self.problems: list[str] = []
        self.in_use: dict[Counts, Settings] = {"next-start": self._settings(is_sharing_allowed=False)}

    def overview(self, *, is_sharing_allowed: bool) -> SettingsOverview:
        """The settings page."""
        settings = self._settings(is_sharing_allowed=is_sharing_allowed)
        sources: dict[str, Source] = {name: "file" for name in self.changed}
        sources |= {name: source for name, (source, _value) in self.fixed.items()}
        return SettingsOverview(
            file=str(self.places.settings_file),
            can_change=True,
            problems=self.problems,
            settings=state_of_settings(settings, sources, self.in_use),
        )

    def restart(self) -> None:
        """What is said now is what counts."""
        self.in_use = {counts: self._settings(is_sharing_allowed=False) for counts in self.in_use}

    def _settings(self, *, is_sharing_allowed: bool) -> Settings:
        above = {name: value for name, (_source, value) in self.fixed.items()}
        return Settings.model_validate({**self.changed, "share": is_sharing_allowed, **above})

    def change(self, values: dict[str, Any]) -> Settings:
        """Remember values, all or none.

        Raises:
            ValidationError: a name or a value that the real engine would not take either.
            FakeRefusalError: a flag or a variable fixes it.
        """
        self.changes.append(values)
        for name in values:
            if name in self.fixed:
                by = fixed_by(name, self.fixed[name][0])
                raise refusal("setting-fixed", f"{name} is fixed by {by}.")
        kept = {name: value for name, value in {**self.changed, **values}.items() if value is not None}
        settings = Settings.model_validate(kept)
        self.changed = kept
        return settings
