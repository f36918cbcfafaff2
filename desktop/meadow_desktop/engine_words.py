"""Sentences of the engine, which speaks English, in the chosen language. Pure.

The engine sends whole sentences with values in them. Those that people meet are listed in `engine_sentences.py` as they
are before the values are put in: `told` finds the one that fits and puts the values into its translation. Whatever is
not listed is shown as it came.
"""

from __future__ import annotations

import re
from functools import cache

from meadow_desktop.engine_sentences import ENGINE_SENTENCES, VALUES
from meadow_desktop.language import _

_VALUE = r"(?:(?!\. ).)+?"
_EVERYTHING = VALUES + ENGINE_SENTENCES


def told(text: str) -> str:
    """The engine's text in the chosen language, or as it came where it is not known; texts of ours stay what they are.

    A text of two sentences is told one by one: "Starting. Check the disk and its permissions."
    """
    if not text:
        return ""
    if (translated := _(text)) != text:
        return translated
    known = _tell(text, ENGINE_SENTENCES)
    if known is None and ". " in text:
        first, _mark, rest = text.partition(". ")
        return f"{told(first)}. {told(rest)}"
    return text if known is None else known


def _tell(text: str, among: tuple[str, ...]) -> str | None:
    has_mark = text.endswith(".")
    for sentence in among:
        found = _pattern(sentence.removesuffix(".")).fullmatch(text.removesuffix("."))
        if found is not None:
            values = {name: _tell_value(value) for name, value in found.groupdict().items()}
            telling = _(sentence).format(**values).removesuffix(".")
            return f"{telling}." if has_mark else telling
    return None


def _tell_value(value: str) -> str:
    """A value may be a name, which stays what it is, a listed part, or a whole sentence without its full stop."""
    sentence = value + "."
    if " " in value and (translated := _(sentence)) != sentence:
        return translated.removesuffix(".")
    return _tell(value, _EVERYTHING) or value


@cache
def _pattern(sentence: str) -> re.Pattern[str]:
    """What the sentence is with any values in it; none reaches into the next sentence."""
    parts = re.split(r"\{(\w+)\}", sentence)
    return re.compile(
        "".join(f"(?P<{part}>{_VALUE})" if place % 2 else re.escape(part) for place, part in enumerate(parts))
    )
