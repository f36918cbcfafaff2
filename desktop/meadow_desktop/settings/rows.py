"""Every setting as a row of the page, made from what the engine says about its settings. Pure.

    SettingsOverview + what is being changed + what was refused + why nothing is shared  ──►  groups of rows

Values stay as the engine has them; what people read of them are words: a fraction in percent, a choice by its title. A
setting that the engine learns tomorrow is a row without a line here: its kind chooses the control, and its title
and sentence come with it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from meadow_desktop.engine_words import told
from meadow_desktop.language import _, in_figures, marked
from meadow_desktop.phrases import as_sentence, with_end_mark
from meadow_desktop.settings.holding_back import settings_behind
from meadow_engine.api.errors import Problem
from meadow_engine.api.settings_overview import Kind, SettingsOverview, SettingState, Value
from meadow_engine.api.status import WhyNot

RowKind = Kind | Literal["week"]

WEEK_SETTING = "schedule"
_FIRST_GROUPS = ("When to share", "How much to share")

_REFUSED = "settings-refused"
_NAME = re.compile(r"\b[a-z]\w*\b")

_COUNTS = {
    "next-sharing": marked("A change counts when sharing begins the next time."),
    "next-start": marked("A change counts when the engine starts again."),
}
_WAITING = {
    "next-sharing": marked("What you share now goes on as before. The change counts when the engine starts again."),
    "next-start": marked("The engine goes on as before. The change counts when it starts again."),
}


@dataclass(frozen=True)
class RowView:
    """One setting.

    `note` says where the value comes from, `error` why the last change was refused, `mark` that
    this rule holds sharing back now, `waiting` that the change does not count before the engine starts again; each may
    be empty. `choices` are pairs of the engine's name and the words for it; `zero` are words for 0, if it is no amount.
    """

    name: str
    title: str
    sentence: str
    kind: RowKind
    value: Value
    unit: str = ""
    zero: str = ""
    choices: tuple[tuple[str, str], ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    can_change: bool = True
    can_reset: bool = False
    note: str = ""
    error: str = ""
    mark: str = ""
    waiting: str = ""
    can_restart: bool = False

    def has_words(self, query: str) -> bool:
        """Whether every word of the query is somewhere in title, sentence or name."""
        text = f"{self.title} {self.sentence} {self.name}".casefold()
        return all(word in text for word in query.casefold().split())


@dataclass(frozen=True)
class GroupView:
    """Settings under one heading. `name` is the engine's word for it, `title` the person's."""

    name: str
    title: str
    rows: tuple[RowView, ...]


def present_groups(
    overview: SettingsOverview,
    wanted: Mapping[str, Value | None] | None = None,
    refused: Mapping[str, Problem] | None = None,
    reasons: Sequence[WhyNot] = (),
    *,
    is_restarting: bool = False,
) -> list[GroupView]:
    """All settings, those about sharing first.

    Args:
        wanted: changes that the engine has not answered yet; they are shown as if they were made.
        refused: by name, what the engine said to the last change.
        reasons: why nothing is shared now.
        is_restarting: the engine was asked to start again, and is still there.
    """
    wanted, refused = wanted or {}, refused or {}
    behind = settings_behind(reasons)
    titles = {setting.name: _(setting.title) for setting in overview.settings}
    names = list(dict.fromkeys(setting.group for setting in overview.settings))
    names.sort(key=lambda name: _FIRST_GROUPS.index(name) if name in _FIRST_GROUPS else len(_FIRST_GROUPS))
    return [
        GroupView(
            name,
            _(name),
            tuple(
                _present(
                    setting,
                    overview.can_change,
                    wanted,
                    describe_refusal(refused[setting.name], titles) if setting.name in refused else "",
                    setting.name in behind,
                    is_restarting,
                )
                for setting in overview.settings
                if setting.group == name
            ),
        )
        for name in names
    ]


def _present(
    setting: SettingState,
    can_change: bool,
    wanted: Mapping[str, Value | None],
    error: str,
    is_behind: bool,
    is_restarting: bool,
) -> RowView:
    value = setting.value
    waits = setting.is_waiting and setting.name not in wanted and setting.counts in _WAITING
    if setting.name in wanted:
        wish = wanted[setting.name]
        value = setting.default if wish is None else wish
    return RowView(
        name=setting.name,
        title=_(setting.title),
        sentence=" ".join(part for part in (_(setting.description), _(_COUNTS.get(setting.counts, ""))) if part),
        kind="week" if setting.name == WEEK_SETTING else setting.kind,
        value=value,
        unit="%" if setting.kind == "fraction" else _(setting.unit),
        zero=_(setting.zero),
        choices=tuple((choice, _(setting.choice_titles.get(choice, choice))) for choice in setting.choices),
        minimum=setting.minimum,
        maximum=setting.maximum,
        can_change=can_change and not setting.fixed_by,
        can_reset=can_change and setting.source == "file",
        note=_describe_source(setting),
        error=error,
        waiting="" if not waits else _("The engine starts again…") if is_restarting else _(_WAITING[setting.counts]),
        can_restart=waits and can_change and not is_restarting,
        mark=_("This rule holds sharing back now.") if is_behind else "",
    )


def describe_refusal(problem: Problem, titles: Mapping[str, str]) -> str:
    """Why a change was refused, with settings called as on the page.

    Args:
        titles: by name, what each setting is called.
    """
    message = with_end_mark(as_titled(told(problem.message), titles))
    if problem.code == _REFUSED:  # the advice names the manual, and the control's own limits say the same
        return message
    return f"{message} {as_sentence(told(problem.advice))}".rstrip()


def as_titled(text: str, titles: Mapping[str, str]) -> str:
    """The engine calls settings by their names in the file; here, by their titles.

    A name that is a word of the language as well, such as `port`, is taken for a name at the beginning only.
    """

    def title(found: re.Match[str]) -> str:
        name = found[0]
        is_name = name in titles and ("_" in name or found.start() == 0)
        return _("“{title}”").format(title=titles[name]) if is_name else name

    return _NAME.sub(title, text)


def _describe_source(setting: SettingState) -> str:
    match setting.source:
        case "flag":
            return _(
                "Fixed: the engine was started with {flag}. Start it without that to change the value here."
            ).format(flag=setting.fixed_by)
        case "variable":
            return _(
                "Fixed by the environment variable {variable}. Start the engine without it to change the value here."
            ).format(variable=setting.fixed_by)
        case "file" if setting.value != setting.default:
            return _("Default: {value}").format(value=describe_value(setting, setting.default))
        case _:
            return ""


def describe_value(setting: SettingState, value: Value) -> str:
    """A value in words: "on", "180 seconds", "empty"."""
    match value:
        case bool():
            return _("on") if value else _("off")
        case int() | float() if value == 0 and setting.zero:
            return _(setting.zero)
        case int() | float() if setting.kind == "fraction":
            return f"{in_figures(f'{as_percent(value):g}')} %"
        case int() | float():
            # A value, then its unit: in no language the other way round for these units.
            return f"{in_figures(f'{value:g}')} {_(setting.unit)}".rstrip()
        case list():
            return ", ".join(value) or _("empty")
        case str():
            return _(setting.choice_titles.get(value, value)) if setting.choices else value or _("empty")


def as_percent(fraction: float) -> float:
    """0.8 is 80.0, and never 80.00000000000001."""
    return round(100 * fraction, 2)
