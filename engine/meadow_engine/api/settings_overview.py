"""Every setting as a row of the settings page: what it means, what it may be, what it is and who says so.

Made from `Settings` and its JSON Schema, so that a new setting needs nothing here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, Field

from meadow_engine.api.settings import GROUPS, Settings, flag_of, unit_of, variable_of

Source = Literal["flag", "variable", "file", "default"]
Value = bool | int | float | str | list[str]
Kind = Literal["switch", "choice", "whole-number", "number", "text", "list"]

_KINDS: Mapping[str, Kind] = {
    "boolean": "switch",
    "integer": "whole-number",
    "number": "number",
    "string": "text",
    "array": "list",
}


class SettingDescription(BaseModel):
    """What the definition says about a setting."""

    name: str = Field(description="As in settings.toml.")
    group: str = Field(description="Heading under which it is shown.")
    title: str
    description: str
    kind: Kind
    unit: str = Field(default="", description="In words, such as `seconds`; may be empty.")
    choices: list[str] = Field(default=[], description="Of a `choice`: all there are.")
    minimum: float | None = None
    maximum: float | None = None


class SettingState(SettingDescription):
    """A setting as it is now."""

    value: Value
    default: Value
    source: Source = Field(description="Who says so.")
    fixed_by: str = Field(
        default="",
        description="The flag or variable that fixes the value until the engine is started without it; else empty.",
    )


class SettingsOverview(BaseModel):
    """The settings page: all settings, and what is wrong with those that somebody wrote."""

    file: str = Field(description="Where settings.toml lies.")
    can_change: bool = Field(description="False when the file has to be mended by hand first.")
    problems: list[str] = Field(description="Sentences; values they name are not in force.")
    settings: list[SettingState]


def describe_settings() -> Iterator[SettingDescription]:
    """All settings in the order of their groups."""
    schema = Settings.model_json_schema()["properties"]
    for group in GROUPS:
        for name in group.model_fields:
            yield _describe(name, str(group.model_config["title"]), schema[name])


def state_of_settings(settings: Settings, sources: Mapping[str, Source]) -> list[SettingState]:
    """All settings with their values; names that are not in `sources` have their default."""
    defaults = Settings()
    return [
        SettingState(
            **description.model_dump(),
            value=getattr(settings, description.name),
            default=getattr(defaults, description.name),
            source=sources.get(description.name, "default"),
            fixed_by=fixed_by(description.name, sources.get(description.name, "default")),
        )
        for description in describe_settings()
    ]


def fixed_by(name: str, source: Source) -> str:
    """The flag or variable that a person has to take away to change a setting; empty when there is none."""
    return {"flag": flag_of(name), "variable": variable_of(name)}.get(source, "")


def _describe(name: str, group: str, schema: Mapping[str, Any]) -> SettingDescription:
    choices: Sequence[str] = schema.get("enum", ())
    return SettingDescription(
        name=name,
        group=group,
        title=schema["title"],
        description=schema["description"],
        kind="choice" if choices else _KINDS[schema["type"]],
        unit=unit_of(name),
        choices=list(choices),
        minimum=schema.get("minimum"),
        maximum=schema.get("maximum"),
    )
