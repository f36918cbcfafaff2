"""Texts in the person's language: chosen from what the system says, complete, and never in the way."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from meadow_desktop import language
from meadow_desktop.tray.view import PAUSES
from meadow_desktop.tray.waiting_words import describe_reason, describe_remaining
from meadow_engine.api.status import WhyNot

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def _english_again() -> Iterator[None]:
    yield
    language.use_language("en")


@pytest.mark.parametrize(
    ("environment", "code"),
    [
        ({"LANG": "de_AT.UTF-8"}, "de"),
        ({"LANGUAGE": "xx:de:en", "LANG": "en_GB.UTF-8"}, "de"),
        ({"LANGUAGE": "en:de", "LANG": "de_DE.UTF-8"}, "en"),
        ({"LANG": "C.UTF-8"}, "en"),
        ({"LC_ALL": "xx_XX"}, "en"),
    ],
)
def test_the_system_says_which_language_the_person_reads(environment: dict[str, str], code: str) -> None:
    assert language.use_language("system", environment) == code


def test_german_is_spoken_with_plurals_and_values() -> None:
    assert language.use_language("de") == "de"
    assert language._(PAUSES[0][1]) == "30 Minuten"
    assert (describe_remaining(3600), describe_remaining(5400)) == ("1 Stunde", "1 Stunde 30 Minuten")
    assert language._("") == ""


def test_reasons_of_the_engine_are_told_in_the_chosen_language() -> None:
    language.use_language("de")
    template = "You are using this computer. Sharing waits until you have been away for {idle}."
    reason = WhyNot(
        code="person-here",
        sentence=template.format(idle="3 minutes"),
        template=template,
        words={"idle": "3 minutes"},
        may_end_s=None,
        can_share_anyway=True,
    )
    told = describe_reason(reason)
    assert "3 Minuten" in told
    assert "computer" not in told


def test_an_unknown_language_is_english() -> None:
    assert language.use_language("xx") == "en"
    assert language._("Pause") == "Pause"


def test_every_text_is_translated_and_every_catalogue_is_up_to_date() -> None:
    checked = subprocess.run(
        [sys.executable, "desktop/translations/update.py", "--check"], cwd=ROOT, capture_output=True, text=True
    )
    assert checked.returncode == 0, checked.stderr[-3000:]
