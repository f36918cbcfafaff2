"""Every setting as a row of the page, made from what the engine says about its settings. Pure.

    SettingsOverview + what is being changed + what was refused + why nothing is shared  ──►  groups of rows

A setting that the engine learns tomorrow is a row without a line here: its kind chooses the control, and its title
and sentence come with it.
"""

from __future__ import annotations

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

CHOICE_WORDS = {
    "when-idle": marked("While nobody uses this computer"),
    "always": marked("Always, also while I work"),
    "never": marked("Not now"),
    "auto": marked("Automatic"),
    "none": marked("None"),
    "int8": marked("8 bits"),
    "nf4": marked("4 bits"),
    "float32": marked("32 bits (float32)"),
    "float16": marked("16 bits (float16)"),
    "bfloat16": marked("16 bits (bfloat16)"),
}


@dataclass(frozen=True)
class RowView:
    """One setting.

    `note` says where the value comes from, `error` why the last change was refused, `mark` that this rule holds sharing
    back now; each may be empty. `choices` are pairs of the engine's name and the words for it.
    """

    name: str
    title: str
    sentence: str
    kind: RowKind
    value: Value
    unit: str = ""
    choices: tuple[tuple[str, str], ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    can_change: bool = True
    can_reset: bool = False
    note: str = ""
    error: str = ""
    mark: str = ""

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
) -> list[GroupView]:
    """All settings, those about sharing first.

    Args:
        wanted: changes that the engine has not answered yet; they are shown as if they were made.
        refused: by name, what the engine said to the last change.
        reasons: why nothing is shared now.
    """
    wanted, refused = wanted or {}, refused or {}
    behind = settings_behind(reasons)
    names = list(dict.fromkeys(setting.group for setting in overview.settings))
    names.sort(key=lambda name: _FIRST_GROUPS.index(name) if name in _FIRST_GROUPS else len(_FIRST_GROUPS))
    return [
        GroupView(
            name,
            _(name),
            tuple(
                _present(setting, overview.can_change, wanted, refused.get(setting.name), setting.name in behind)
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
    refused: Problem | None,
    is_behind: bool,
) -> RowView:
    value = setting.value
    if setting.name in wanted:
        wish = wanted[setting.name]
        value = setting.default if wish is None else wish
    return RowView(
        name=setting.name,
        title=_(setting.title),
        sentence=_(setting.description),
        kind="week" if setting.name == WEEK_SETTING else setting.kind,
        value=value,
        unit=_(setting.unit),
        choices=tuple((choice, _(CHOICE_WORDS.get(choice, choice))) for choice in setting.choices),
        minimum=setting.minimum,
        maximum=setting.maximum,
        can_change=can_change and not setting.fixed_by,
        can_reset=can_change and setting.source == "file",
        note=_describe_source(setting),
        error=_describe_refusal(refused) if refused is not None else "",
        mark=_("This rule holds sharing back now.") if is_behind else "",
    )


def _describe_refusal(problem: Problem) -> str:
    """The sentence often begins with a setting's name, which keeps its small letter."""
    return f"{with_end_mark(told(problem.message))} {as_sentence(told(problem.advice))}".rstrip()


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
        case int() | float():
            # A value, then its unit: in no language the other way round for these units.
            return f"{in_figures(f'{value:g}')} {_(setting.unit)}".rstrip()
        case list():
            return ", ".join(value) or _("empty")
        case str():
            return _(CHOICE_WORDS.get(value, value)) if setting.choices else value or _("empty")
