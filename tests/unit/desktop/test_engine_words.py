"""The engine speaks English; what people meet of it is told in their language, and nothing is lost on the way."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from meadow_client.errors import LayersMissingError, ServerLostError
from meadow_client.session.swarm_client import Waiting
from meadow_desktop import language
from meadow_desktop.engine_sentences import ENGINE_SENTENCES, VALUES
from meadow_desktop.engine_words import told
from meadow_desktop.phrases import describe_problem
from meadow_engine.api.errors import Problem
from meadow_engine.senses.idle.choose import INSIDE_WSL, NO_DESKTOP, ROUGH_DESKTOP, SILENT_DESKTOP, SILENT_SYSTEM
from meadow_engine.settings_layers import Layer, stack

ROOT = Path(__file__).resolve().parents[3]

_OF_THE_SYSTEM = {
    "No space left on device",
    "Permission denied",
    "Read-only file system",
    "No such file or directory",
    "Input/output error",
}
_PUT_TOGETHER = {"the value {name} of the registry key {key} starts the app at login"}


@pytest.fixture(autouse=True)
def _german() -> Iterator[None]:
    language.use_language("de")
    yield
    language.use_language("en")


def test_values_keep_their_place_in_the_sentence() -> None:
    lost = ServerLostError("12D3KooWabcdefgh", 3, 6)
    assert told(str(lost)) == "Der Computer abcdefgh mit Schichten 3–5 antwortet nicht mehr"
    missing = LayersMissingError("demo", [(3, 4), (7, 9)], waited_s=12)
    assert told(str(missing)) == "Auch nach 12 s hält kein Computer im Schwarm Schichten 3 und 7–8 von demo bereit"
    assert "bis zu 60 s" in told(f"{Waiting('demo', [(0, 1)], 60)}.")
    assert told(f"{Waiting('demo', [(0, 1)], 60)}.").endswith("gewartet.")


def test_a_sentence_and_its_advice_are_told_together() -> None:
    advice = "Host fewer layers (--layers A:B), or use --quantization int8 or nf4."
    both = told(f"Layers 0:9 do not fit in the memory of cuda. {advice}")
    assert both == f"Die Schichten 0:9 passen nicht in den Speicher von cuda. {told(advice)}"
    assert told(advice).startswith("Halte weniger Schichten bereit")


def test_an_unknown_sentence_is_shown_as_it_came() -> None:
    assert told("Something new happened at 12:30. Look at it.") == "Something new happened at 12:30. Look at it."
    assert told("") == ""


def test_texts_of_ours_are_told_too() -> None:
    problem = Problem(code="x", message="huggingface.co cannot be reached (no route)", advice="Choose another folder.")
    assert describe_problem(problem) == "Huggingface.co ist nicht erreichbar (no route). Wähle einen anderen Ordner."


def test_in_english_everything_stays_as_it_is() -> None:
    language.use_language("en")
    for sentence in ENGINE_SENTENCES:
        assert told(sentence) == sentence


def test_the_engine_still_says_what_is_listed() -> None:
    said = "\n".join(_texts_of("engine/meadow_engine", "client/meadow_client"))
    gone = [
        sentence
        for sentence in ENGINE_SENTENCES + VALUES
        for part in re.split(r"\{\w+\}", sentence)
        if part.strip(" ();") not in said and sentence not in {*_OF_THE_SYSTEM, *_PUT_TOGETHER}
    ]
    assert not gone


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"idle_s": 0}, "idle_s: muss mindestens 1 sein"),
        ({"idle_s": 10**6}, "idle_s: darf höchstens 86400 sein"),
        ({"idle_s": "soon"}, "idle_s: muss eine ganze Zahl sein"),
        ({"memory_share": []}, "memory_share: muss eine Zahl sein"),
        ({"share": 3}, "share: muss true oder false sein"),
        ({"model": 3}, "model: muss ein Text sein"),
        ({"model": "a" * 5000}, "model: darf höchstens 4096 Zeichen haben"),
        ({"models": 3}, "models: muss eine Liste von Texten sein"),
        ({"programs": [" "]}, "programs: Eintrag 1: ist leer"),
        ({"upload_mbit": 0.5}, "upload_mbit: muss 0 sein, für unbegrenzt, oder mindestens 1"),
        ({"cool_again_c": 90}, "cool_again_c (90) muss niedriger sein als too_hot_c (83)"),
        ({"idel_s": 1}, "idel_s: diese Einstellung gibt es nicht; vielleicht ist idle_s gemeint"),
        ({"nothing": 1}, "nothing: diese Einstellung gibt es nicht"),
        ({"schedule": ["someday"]}, "schedule: Eintrag 1: 'someday' hat keinen Tag 'someday': Tage sind mon"),
        ({"schedule": ["mon 9-10 x"]}, "schedule: Eintrag 1: 'mon 9-10 x' ist keine Zeit der Woche: schreib sie wie"),
        (
            {"schedule": ["mon 25:00-26:00"]},
            "schedule: Eintrag 1: 'mon 25:00-26:00' nennt eine Uhrzeit, die kein Tag hat",
        ),
        ({"schedule": ["sun", "mon 9:00-9:00"]}, "schedule: Eintrag 2: 'mon 9:00-9:00' endet, wenn es beginnt"),
        ({"layers": "all"}, "layers: hat eine andere Form als diese: A:B hält genau diese Schichten bereit"),
    ],
)
def test_what_is_wrong_with_a_setting_is_told(values: dict[str, object], words: str) -> None:
    [problem] = stack([Layer("file", values)]).problems
    assert told(problem.text).startswith(words)


@pytest.mark.parametrize("advice", [NO_DESKTOP, SILENT_DESKTOP, ROUGH_DESKTOP, INSIDE_WSL, SILENT_SYSTEM])
def test_what_a_desktop_does_not_tell_is_told_sentence_by_sentence(advice: str) -> None:
    for sentence in advice.removesuffix(".").split(". "):
        assert told(sentence) != sentence
    assert not {*advice.split(". ")} & {*told(advice).split(". ")}


def test_reasons_of_the_system_are_told_inside_the_sentence() -> None:
    failed = told("/home/mo/settings.toml cannot be written (No space left on device); the settings are as before")
    assert failed.startswith("/home/mo/settings.toml")
    assert "(kein Platz mehr auf dem Datenträger)" in failed
    refused = told("the system refuses. Nothing was changed. docs/settings.md says what every setting may be.")
    assert refused.startswith("the system refuses. Es wurde nichts geändert. ")


def _texts_of(*folders: str) -> Iterator[str]:
    for folder in folders:
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield node.value
