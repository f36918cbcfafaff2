"""Every setting as a row of the settings page: what it means, what it may be, what it is and who says so.

Made from `Settings` and its JSON Schema, so that a new setting needs nothing here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, Field

from meadow_engine.api.settings import GROUPS, Counts, Settings, flag_of, is_fraction, unit_of, variable_of

Source = Literal["flag", "variable", "file", "default"]
Value = bool | int | float | str | list[str]
Kind = Literal["switch", "choice", "whole-number", "number", "fraction", "text", "list"]

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
    kind: Kind = Field(description="Of a `fraction`, 1 is the whole: people read it as 100 %.")
    unit: str = Field(default="", description="In words, such as `seconds`; may be empty.")
    choices: list[str] = Field(default=[], description="Of a `choice`: all there are.")
    choice_titles: dict[str, str] = Field(default={}, description="What each choice means, in words.")
    zero: str = Field(default="", description="What 0 means, in words, where it is no amount; else empty.")
    counts: Counts = Field(default="at-once", description="From when on a change counts.")
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
    is_waiting: bool = Field(default=False, description="Another value still counts, until the time in `counts` comes.")


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


def state_of_settings(
    settings: Settings, sources: Mapping[str, Source], in_use: Mapping[Counts, Settings] | None = None
) -> list[SettingState]:
    """All settings with their values; names that are not in `sources` have their default.

    Args:
        in_use: the settings with which that began which counts; what has not begun is not in it.
    """
    defaults, in_use = Settings(), in_use or {}
    return [
        SettingState(
            **description.model_dump(),
            value=getattr(settings, description.name),
            default=getattr(defaults, description.name),
            source=sources.get(description.name, "default"),
            fixed_by=fixed_by(description.name, sources.get(description.name, "default")),
            is_waiting=description.counts in in_use
            and getattr(in_use[description.counts], description.name) != getattr(settings, description.name),
        )
        for description in describe_settings()
    ]


def fixed_by(name: str, source: Source) -> str:
    """The flag or variable that a person has to take away to change a setting; empty when there is none."""
    return {"flag": flag_of(name), "variable": variable_of(name)}.get(source, "")


def describe_limits(setting: SettingDescription) -> str:
    """What a number may be, as it is written: "1 to 86400 seconds"; empty for what has no limits."""
    if setting.minimum is None or setting.maximum is None:
        return ""
    limits = f"{setting.minimum:g} to {setting.maximum:g} {setting.unit}".rstrip()
    if setting.kind == "fraction":
        limits += "; 1 is 100 %"
    return f"{limits}; 0: {setting.zero[0].lower()}{setting.zero[1:]}" if setting.zero else limits


def _describe(name: str, group: str, schema: Mapping[str, Any]) -> SettingDescription:
    choices: Sequence[str] = schema.get("enum", ())
    return SettingDescription(
        name=name,
        group=group,
        title=schema["title"],
        description=schema["description"],
        kind="choice" if choices else "fraction" if is_fraction(name) else _KINDS[schema["type"]],
        unit=unit_of(name),
        choices=list(choices),
        choice_titles=schema.get("choice_titles", {}),
        zero=schema.get("zero", ""),
        counts=schema.get("counts", "at-once"),
        minimum=schema.get("minimum"),
        maximum=schema.get("maximum"),
    )
