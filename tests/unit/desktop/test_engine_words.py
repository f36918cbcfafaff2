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
from meadow_desktop.engine_words import ENGINE_SENTENCES, told
from meadow_desktop.phrases import describe_problem
from meadow_engine.api.errors import Problem

ROOT = Path(__file__).resolve().parents[3]


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
        for sentence in ENGINE_SENTENCES
        for part in re.split(r"\{\w+\}", sentence)
        if part.strip(" ();") not in said
    ]
    assert not gone


def _texts_of(*folders: str) -> Iterator[str]:
    for folder in folders:
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield node.value
