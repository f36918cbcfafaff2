"""docs/settings.md, written from the definition of the settings.

    python -m meadow_engine.api.settings_page [FILE]

A test fails while the document in the checkout says something else.
"""

from __future__ import annotations

import sys
from pathlib import Path

from meadow_engine.api.settings import GROUPS, Settings
from meadow_engine.api.settings_overview import SettingDescription, describe_limits, describe_settings

_BEGIN = """\
# Settings

<!-- Written by `python -m meadow_engine.api.settings_page docs/settings.md`; change the definition, not this file. -->

Every setting can be said in three ways. The first of these that says anything counts, and else the default:

1. a flag of `meadow --no-gui`: `--idle-s 60`, `--share` or `--no-share`; the flag of a list may be repeated;
2. an environment variable: `MEADOW_IDLE_S=60`, `MEADOW_SHARE=true`; entries of a list have `;` between them, and an
   empty variable counts as not set;
3. a line of the file `settings.toml`: `idle_s = 60`, `share = true`, `programs = ["chess", "blender"]`. Where it lies
   is in [files-on-disk.md](files-on-disk.md); `meadow doctor` checks it.

The app's *Settings* page has them all and changes the file for you; programs do so with `PATCH /api/settings`. Both
leave your comments as they are. A value that a flag or a variable fixes is shown as such, and cannot be changed there.

Edit the file while Meadow runs, and it counts within seconds; model, swarm, device and layers count when sharing, or
Meadow, begins the next time.

Meadow starts with a broken file, too. Every problem is named on the *Settings* page, in the log and by `meadow status`;
a value that cannot be meant does not count. Sharing stays off while one of the values that protect you and your
computer (all of "When to share" and "How much to share") is broken. A file that is no TOML at all is never overwritten:
mend it, or delete it for the defaults. A flag that cannot be meant is wrong usage, and nothing starts.
"""

_END = """
## Hours

An entry of `schedule` is days, hours, or both: `mon-fri 22:00-07:00`, `sat,sun`, `13:00-14:00`,
`tue,thu-sat 20:00-24:00`. Without days it is every day, without hours the whole day. Hours that end before they begin
go on into the next day, so Friday's night of `mon-fri 22:00-07:00` ends on Saturday at 7. Times are those of the
computer's clock.
"""


def settings_page() -> str:
    """The whole document."""
    described = list(describe_settings())
    parts = [_BEGIN]
    for group in GROUPS:
        rows = [_row(setting) for setting in described if setting.name in group.model_fields]
        head = ["| name | default | may be | meaning |", "|---|---|---|---|"]
        parts.append("\n".join([f"\n## {group.model_config['title']}", "", group.__doc__ or "", "", *head, *rows, ""]))
    return "".join([*parts, _END])


def _row(setting: SettingDescription) -> str:
    cells = [f"`{setting.name}`", _default(setting), _possible(setting), f"**{setting.title}.** {setting.description}"]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _default(setting: SettingDescription) -> str:
    field = Settings.model_fields[setting.name]
    if field.default_factory is not None:  # differs from computer to computer
        return str(Settings.model_json_schema()["properties"][setting.name]["default"])
    return f"`{_toml(field.default)}`"


def _possible(setting: SettingDescription) -> str:
    match setting.kind:
        case "switch":
            return "`true`, `false`"
        case "choice":
            titles = setting.choice_titles
            return "; ".join(f"`{_toml(choice)}`: {titles[choice]}" for choice in setting.choices)
        case "list":
            return "texts"
        case "text":
            return "text"
        case "whole-number" | "number" | "fraction":
            return describe_limits(setting)


def _toml(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case str():
            return f'"{value}"'
        case float():
            return f"{value:g}"
        case _:
            return str(value)


def main() -> None:
    text = settings_page()
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)


if __name__ == "__main__":
    main()
