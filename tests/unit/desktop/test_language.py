"""Texts in the person's language: chosen from what the system says, complete, and never in the way."""

from __future__ import annotations

import errno
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QLocale, QTranslator
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import QApplication

from meadow_desktop import language
from meadow_desktop.credits.view import describe_credits
from meadow_desktop.phrases import describe_failure, describe_rate
from meadow_desktop.tray.view import PAUSES
from meadow_desktop.tray.waiting_words import describe_reason, describe_remaining
from meadow_desktop.windows.qt_language import speak
from meadow_engine.api.settings import Settings
from meadow_engine.api.settings_overview import state_of_settings
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


def test_numbers_have_the_marks_of_the_language() -> None:
    assert (describe_rate(24.14), describe_credits(-1234.0)) == ("24.1", "−1,234")
    language.use_language("de")
    assert (describe_rate(24.14), describe_credits(-1234.0)) == ("24,1", "−1.234")
    assert language.in_figures(f"{1234567.5:,}") == "1.234.567,5"


def test_fields_and_keys_of_qt_are_in_the_language_too(application: QApplication) -> None:
    before = QLocale()
    speak(application, language.use_language("de"))
    try:
        assert QLocale().toString(0.5, "f", 1) == "0,5"
        assert QKeySequence("Ctrl+Shift+S").toString(QKeySequence.SequenceFormat.NativeText) == "Strg+Umschalt+S"
    finally:
        for translator in application.findChildren(QTranslator):
            application.removeTranslator(translator)
            translator.deleteLater()
        QLocale.setDefault(before)


def test_failures_of_files_are_told_in_the_language() -> None:
    language.use_language("de")
    assert describe_failure(PermissionError(errno.EACCES, "Permission denied")) == "keine Berechtigung"
    assert describe_failure(OSError(errno.EXDEV, "Invalid cross-device link")) == "invalid cross-device link"


def test_every_choice_of_a_setting_has_words() -> None:
    for setting in state_of_settings(Settings(), {}):
        assert setting.choice_titles.keys() == set(setting.choices), setting.name


def test_a_pause_is_told_in_the_language() -> None:
    language.use_language("de")
    template, words = "You paused sharing {detail}.", {"detail": "until you resume it"}
    reason = WhyNot(code="paused", sentence="", template=template, words=words, may_end_s=None, can_share_anyway=False)
    assert describe_reason(reason) == "Du hast das Teilen pausiert – bis du es fortsetzt."


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
