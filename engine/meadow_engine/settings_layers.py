"""Put flags over variables over the file over the defaults, and keep what cannot be meant out of force.

Every value is looked at by itself: a broken one is named and the layer below counts in its place, so that no file and
no variable keeps the engine from starting. A broken setting that protects the person at this computer (`SHARING_NAMES`)
switches sharing off until it is mended, because its default may allow more than was meant.

pydantic-settings would refuse everything for one broken value, and does not say where a value came from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError

from meadow_engine.api.settings import SHARING_NAMES, Settings, flag_of, variable_of
from meadow_engine.api.settings_overview import Source

HELD = "Sharing stays off until this is mended"
_VARIABLES_BEGIN = variable_of("")
_SEPARATOR = ";"
_LIKENESS = 0.8


@dataclass(frozen=True)
class Layer:
    """What one source says, not yet checked; `values` may hold anything."""

    source: Source
    values: Mapping[str, object]


@dataclass(frozen=True)
class SettingsProblem:
    """One thing that cannot be meant. `text` never repeats a value: it may be an address, and logs hold none."""

    text: str
    source: Source
    names: frozenset[str] = frozenset()
    holds_sharing: bool = False


@dataclass(frozen=True)
class LayeredSettings:
    """What is in force, and why. A name that is not in `sources` has its default."""

    as_written: Settings
    sources: Mapping[str, Source]
    problems: tuple[SettingsProblem, ...] = ()
    can_change: bool = True
    """False when the file has to be mended by hand first."""

    @property
    def settings(self) -> Settings:
        """What is in force: as written, but without sharing while a problem holds it."""
        return self.as_written.model_copy(update={"share": False}) if self.is_held else self.as_written

    @property
    def is_held(self) -> bool:
        """Whether sharing is off because of a problem."""
        return any(problem.holds_sharing for problem in self.problems)

    def words(self) -> list[str]:
        """The problems for people, and what follows from them."""
        return [problem.text for problem in self.problems] + ([HELD] if self.is_held else [])


def stack(layers: Sequence[Layer], problems: Sequence[SettingsProblem] = ()) -> LayeredSettings:
    """The settings that follow from all layers, the lowest first.

    `problems` are those known before, such as a file that cannot be read.
    """
    found = list(problems)
    values: dict[str, object] = {}
    sources: dict[str, Source] = {}
    for layer in layers:
        broken = _problems_of(layer)
        found += broken
        refused = {name for problem in broken for name in problem.names}
        for name, value in layer.values.items():
            if name not in refused:
                values[name], sources[name] = value, layer.source
    while (disagreement := _disagreement(values, sources)) is not None:
        found.append(disagreement)
        for name in disagreement.names:
            values.pop(name, None)
            sources.pop(name, None)
    return LayeredSettings(Settings.model_validate(values), sources, tuple(found))


def read_variables(environment: Mapping[str, str]) -> Layer:
    """The layer of `MEADOW_…` variables. An empty one counts as not set; entries of a list have `;` between them.

    Others than settings' are left alone, unless one looks like a setting that was misspelt.
    """
    values: dict[str, object] = {}
    for variable, text in sorted(environment.items()):
        name = variable.removeprefix(_VARIABLES_BEGIN).lower()
        if not variable.startswith(_VARIABLES_BEGIN) or not text:
            continue
        if name in Settings.model_fields:
            values[name] = split_entries(text) if is_list(name) else text
        elif _alike(name):
            values[name] = text
    return Layer("variable", values)


def split_entries(text: str) -> list[str]:
    """A list written in one line, with `;` between its entries."""
    return [entry for part in text.split(_SEPARATOR) if (entry := part.strip())]


def is_list(name: str) -> bool:
    """Whether a setting is a list of texts."""
    return isinstance(Settings.model_fields[name].get_default(call_default_factory=True), list)


def _problems_of(layer: Layer) -> list[SettingsProblem]:
    """What is wrong with single values of a layer, in the order in which they were written."""
    try:
        Settings.model_validate(dict(layer.values))
    except ValidationError as error:
        order = list(layer.values)
        found = [item for item in error.errors() if item["loc"]]
        return [
            _problem(layer.source, item) for item in sorted(found, key=lambda item: order.index(str(item["loc"][0])))
        ]
    return []


def _problem(source: Source, error: Mapping[str, Any]) -> SettingsProblem:
    name = str(error["loc"][0])
    place = f"{_shown(name, source)}: "
    if len(error["loc"]) > 1:
        place += f"entry {error['loc'][1] + 1} "
    concerned = name if name in Settings.model_fields else _alike(name)
    if name not in Settings.model_fields:
        text = "there is no such setting"
        if concerned:
            text += f"; perhaps {_shown(concerned, source)} is meant"
    else:
        text = _words(name, error)
    return SettingsProblem(place + text, source, frozenset({name}), concerned in SHARING_NAMES)


def _disagreement(values: Mapping[str, object], sources: Mapping[str, Source]) -> SettingsProblem | None:
    """The first thing wrong with values that are possible by themselves, but not together."""
    try:
        Settings.model_validate(dict(values))
    except ValidationError as error:
        first = error.errors()[0]
        names = frozenset(first["ctx"]["names"])
        ranks: tuple[Source, ...] = ("flag", "variable", "file")
        concerned = {sources[name] for name in names if name in sources}
        source = next(source for source in ranks if source in concerned)
        return SettingsProblem(first["msg"], source, names, not names.isdisjoint(SHARING_NAMES))
    return None


def _shown(name: str, source: Source) -> str:
    """How a person wrote the name of a setting."""
    return {"flag": flag_of, "variable": variable_of}.get(source, str)(name)


def _alike(name: str) -> str:
    """The setting that was probably meant by a name that is none; empty when nothing comes near."""
    return next(iter(get_close_matches(name, Settings.model_fields, n=1, cutoff=_LIKENESS)), "")


def _words(name: str, error: Mapping[str, Any]) -> str:
    """What is wrong with a value, in words of this program, without the value."""
    context = error.get("ctx", {})
    match error["type"]:
        case "greater_than_equal":
            return f"has to be at least {context['ge']:g}"
        case "less_than_equal":
            return f"has to be at most {context['le']:g}"
        case "bool_type" | "bool_parsing":
            return "has to be true or false"
        case "int_type" | "int_parsing" | "int_from_float" | "int_parsing_size":
            return "has to be a whole number"
        case "float_type" | "float_parsing" | "finite_number":
            return "has to be a number"
        case "string_type":
            return "has to be a text"
        case "list_type":
            return "has to be a list of texts"
        case "literal_error":
            return f"has to be {context['expected']}"
        case "string_too_long":
            return f"has to have at most {context['max_length']} characters"
        case "string_too_short":
            return "is empty"
        case "too_long":
            return f"has to have at most {context['max_length']} entries"
        case "string_pattern_mismatch":
            return f"has another form than this: {Settings.model_fields[name].description}".rstrip(".")
        case "value_error":
            return str(context["error"])
        case _:
            return str(error["msg"])
