"""Bring the translations up to date: collect every text of the app, merge it into the catalogues, and compile them.

    python desktop/translations/update.py           texts that are new stand in LANGUAGE.po without a translation
    python desktop/translations/update.py --check   change nothing; exit code 1 where something would change or lacks

A new language: `pybabel init -D meadow -i FILE.pot -d desktop/meadow_desktop/locale -l CODE`, or copy the German
catalogue and empty its translations. Texts of the engine that the app translates (settings, reasons) are collected from
the engine's definitions. Needs Babel, which is among the development packages.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import read_mo, write_mo
from babel.messages.pofile import read_po, write_po

from meadow_desktop.language import DOMAIN, FOLDER
from meadow_engine.api.settings import Settings
from meadow_engine.api.settings_overview import state_of_settings
from meadow_engine.policy.reasons import REASON_KINDS

SOURCES = Path(__file__).resolve().parents[1] / "meadow_desktop"
_NO_DAY = datetime(2026, 1, 1, tzinfo=UTC)
KEYWORDS = {"_": None, "ngettext": (1, 2), "marked": None}


def main() -> int:
    """Update or check all catalogues; the exit code."""
    parser = argparse.ArgumentParser(description="Bring the app's translations up to date.")
    parser.add_argument("--check", action="store_true", help="change nothing, and fail where something is to be done")
    only_checks = parser.parse_args().check
    template = collect()
    complaints: list[str] = []
    for path in sorted(FOLDER.glob(f"*/LC_MESSAGES/{DOMAIN}.po")):
        before = path.read_bytes()
        catalog = read_po(io.BytesIO(before), locale=path.parents[1].name, domain=DOMAIN)
        catalog.update(template, no_fuzzy_matching=True)
        catalog.obsolete.clear()
        # Catalogues change with their texts, not with the day.
        catalog.creation_date = catalog.revision_date = _NO_DAY
        catalog.msgid_bugs_address, catalog.last_translator, catalog.language_team = "", "Meadow", "Meadow"
        complaints += [f"{path}: {text}" for text in find_faults(catalog)]
        compiled = path.with_suffix(".mo")
        if only_checks:
            as_it_was = read_po(io.BytesIO(before), locale=path.parents[1].name, domain=DOMAIN)
            as_compiled = read_mo(io.BytesIO(compiled.read_bytes())) if compiled.is_file() else Catalog()
            if not _texts(as_it_was) == _texts(catalog) == _texts(as_compiled):
                complaints.append(f"{path} is out of date: run python desktop/translations/update.py")
        else:
            path.write_bytes(as_po(catalog))
            compiled.write_bytes(as_mo(catalog))
    for complaint in complaints:
        sys.stderr.write(complaint + "\n")
    return 1 if complaints else 0


def collect() -> Catalog:
    """Every text that is shown, in the order of its first use."""
    template = Catalog(domain=DOMAIN, project="Meadow", charset="utf-8")
    for name, _line, message, comments, _context in extract_from_dir(
        SOURCES, method_map=[("**.py", "python")], keywords=KEYWORDS, comment_tags=("Translators:",)
    ):
        template.add(message, locations=[(name, 0)], auto_comments=comments, flags=_flags(message))
    for source, text in engine_texts():
        template.add(text, locations=[(source, 0)], flags=_flags(text))
    return template


def engine_texts() -> Iterator[tuple[str, str]]:
    """What the engine says and the app translates."""
    for kind in REASON_KINDS:
        yield "policy/reasons.py", kind.sentence
    for state in state_of_settings(Settings(), {}):
        choices = state.choice_titles.values()
        for text in (state.group, state.title, state.description, state.unit, state.zero, *choices):
            if any(letter.isalpha() for letter in text):
                yield "api/settings.py", text


def find_faults(catalog: Catalog) -> Iterator[str]:
    """Texts without a translation, and translations that lack a value or have one too many."""
    for message in catalog:
        if not message.id:
            continue
        ids = message.id if isinstance(message.id, tuple | list) else (message.id,)
        strings = message.string if isinstance(message.string, tuple | list) else (message.string,)
        if not all(strings):
            yield f"no translation of {ids[0]!r}"
        wanted = _placeholders(ids[-1])
        for string in strings:
            if string and not wanted - {"n"} <= _placeholders(string) <= wanted:
                yield f"other values in the translation of {ids[0]!r}"


def as_po(catalog: Catalog) -> bytes:
    """The catalogue as its file; nothing in it changes without a change of texts."""
    file = io.BytesIO()
    write_po(file, catalog, width=120, omit_header=False, include_lineno=False, sort_output=True)
    return file.getvalue()


def as_mo(catalog: Catalog) -> bytes:
    """The compiled catalogue."""
    file = io.BytesIO()
    write_mo(file, catalog)
    return file.getvalue()


def _texts(catalog: Catalog) -> dict[object, object]:
    return {_forms(message.id): _forms(message.string) for message in catalog if message.id}


def _forms(text: str | tuple[str, ...] | list[str]) -> object:
    """One text, or its forms for numbers, which read_mo has in lists and read_po in tuples."""
    return text if isinstance(text, str) else tuple(text)


def _flags(message: str | tuple[str, ...]) -> tuple[str, ...]:
    texts = message if isinstance(message, tuple) else (message,)
    return ("python-brace-format",) if any("{" in text for text in texts if text) else ()


def _placeholders(text: str) -> set[str]:
    return {part.partition("}")[0] for part in text.split("{")[1:]}


if __name__ == "__main__":
    raise SystemExit(main())
