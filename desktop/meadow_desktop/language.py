"""The language of everything this program says: gettext catalogues in `locale/`, one function for all modules. Pure.

    _("Open chat")                                        one text
    ngettext("{n} computer", "{n} computers", n).format(n=n)
    _("Paused: {left} left").format(left=left)            words first, values afterwards: translators move them
    in_figures(f"{tokens:,}")                             1,234 here is 1.234 there

The language is chosen once, before anything is drawn. Texts that stand in a module's constants are marked with
`marked` there and translated with `_` where they are shown. `docs/translating.md` says how to add a language.
"""

from __future__ import annotations

import gettext as catalogues
import locale
import os
from collections.abc import Mapping
from pathlib import Path

DOMAIN = "meadow"
FOLDER = Path(__file__).parent / "locale"
SOURCE_LANGUAGE = "en"

_chosen: catalogues.NullTranslations = catalogues.NullTranslations()


def _(text: str) -> str:
    """The text in the chosen language, or as it is where there is no translation."""
    return _chosen.gettext(text) if text else ""


def ngettext(one: str, many: str, number: int) -> str:
    """The form that belongs to the number; the number itself is not inserted."""
    return _chosen.ngettext(one, many, number)


def marked(text: str) -> str:
    """The same text; says that it is translated where it is shown."""
    return text


def in_figures(text: str) -> str:
    """A number as Python writes it, such as "1,234.5", with the marks of the chosen language."""
    # Translators: this number as your language writes it; all numbers follow it.
    example = _("1,234.5")
    return text.translate(str.maketrans(",.", example[1] + example[-2]))


def use_language(wish: str = "system", environment: Mapping[str, str] = os.environ) -> str:
    """Choose a language for the whole program: "system", or a code such as "de". The code that counts now.

    A language without a catalogue is English.
    """
    global _chosen
    wanted = languages_of_system(environment) if wish == "system" else [wish]
    for code in wanted:
        short = code.partition("_")[0]
        if short == SOURCE_LANGUAGE:
            break
        if short in languages():
            _chosen = catalogues.translation(DOMAIN, str(FOLDER), [short])
            return short
    _chosen = catalogues.NullTranslations()
    return SOURCE_LANGUAGE


def languages() -> list[str]:
    """Codes of all languages there are, English among them."""
    found = {path.parents[1].name for path in FOLDER.glob(f"*/LC_MESSAGES/{DOMAIN}.mo")}
    return sorted(found | {SOURCE_LANGUAGE})


def languages_of_system(environment: Mapping[str, str]) -> list[str]:
    """What the person has set up, the dearest first: de_AT, de, en."""
    for name in ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        if value := environment.get(name, ""):
            codes = [each.partition(".")[0] for each in value.split(":") if each]
            return [code for code in codes if code not in {"C", "POSIX"}]
    code = locale.getlocale()[0]
    return [code] if code else []
