"""Flags of `meadow --no-gui`, one for each setting: `--idle-s 60`, `--share`, `--no-share`, `--programs chess`.

They are read as texts here and checked where all settings are (`kept_settings.py`). A list's flag may be repeated.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping

from meadow_engine.api.settings import flag_of
from meadow_engine.api.settings_overview import SettingDescription, describe_limits, describe_settings

_PREFIX = "setting_"  # commands have options of the same names, which argparse would mix up


def add_setting_flags(parser: argparse.ArgumentParser) -> None:
    groups: dict[str, argparse._ArgumentGroup] = {}
    for setting in describe_settings():
        if setting.group not in groups:
            groups[setting.group] = parser.add_argument_group(
                f"{setting.group} (with --no-gui)",
                "Counts until the engine ends; what shall last is said on the app's Settings page or in settings.toml.",
            )
        _add(groups[setting.group], setting)


def flags_of(arguments: argparse.Namespace) -> Mapping[str, object]:
    """The settings that were typed, by their names, not yet checked. `--programs ""` is a list without entries."""
    typed = {name.removeprefix(_PREFIX): value for name, value in vars(arguments).items() if name.startswith(_PREFIX)}
    return {
        name: [entry for entry in value if entry] if isinstance(value, list) else value for name, value in typed.items()
    }


def _add(group: argparse._ArgumentGroup, setting: SettingDescription) -> None:
    words = setting.description.replace("%", "%%")
    flag, where = flag_of(setting.name), _PREFIX + setting.name
    match setting.kind:
        case "switch":
            group.add_argument(
                flag, action=argparse.BooleanOptionalAction, dest=where, default=argparse.SUPPRESS, help=words
            )
        case "list":
            group.add_argument(
                flag,
                action="append",
                dest=where,
                metavar="TEXT",
                default=argparse.SUPPRESS,
                help=f"{words} May be repeated.",
            )
        case "choice":
            meanings = "; ".join(f"{choice}: {setting.choice_titles[choice]}" for choice in setting.choices)
            group.add_argument(
                flag,
                choices=setting.choices,
                dest=where,
                default=argparse.SUPPRESS,
                help=f"{words} {meanings}.",
            )
        case _:
            group.add_argument(
                flag, dest=where, metavar=_metavar(setting), default=argparse.SUPPRESS, help=words + _limits(setting)
            )


def _metavar(setting: SettingDescription) -> str:
    return "TEXT" if setting.kind == "text" else "N"


def _limits(setting: SettingDescription) -> str:
    limits = describe_limits(setting).replace("%", "%%")
    return f" {limits}." if limits else ""
