"""Finding words in what was said."""

from __future__ import annotations

import pytest

from meadow_desktop.chat.search import cut_snippet, fold, query_words
from meadow_desktop.chat.text.plain import without_marks


@pytest.mark.parametrize(
    ("text", "folded"),
    [("Café", "cafe"), ("STRASSE", "strasse"), ("Straße", "strasse"), ("Ǆ", "dz"), ("日本", "日本"), ("ΆΛΦΑ", "αλφα")],
)
def test_capitals_and_accents_make_no_difference(text: str, folded: str) -> None:
    assert fold(text) == folded


def test_a_query_is_its_different_words() -> None:
    assert query_words("  Café cafe\tThe ") == ["cafe", "the"]
    assert len(query_words(" ".join(map(str, range(50))))) == 8


def marked_parts(text: str, query: str) -> list[str]:
    snippet, marks = cut_snippet(text, query_words(query))
    return [snippet[start:end] for start, end in marks]


def test_the_snippet_is_one_line_around_the_first_hit_and_marks_all_of_them() -> None:
    text = "word " * 100 + "\n\nthe Café is\nopen, the cafe is nice " + "word " * 100
    snippet, _marks = cut_snippet(text, ["cafe"])
    assert "\n" not in snippet
    assert len(snippet) < 125
    assert snippet.startswith("…")
    assert snippet.endswith("…")
    assert marked_parts(text, "cafe") == ["Café", "cafe"]
    assert marked_parts("Straßenbahn", "strasse") == ["Straße"]
    assert marked_parts("überall ü", "u") == ["ü", "ü"]
    assert marked_parts("abcd", "abc bcd") == ["abcd"]
    assert marked_parts("ﬁn " * 200 + "needle", "needle") == ["needle"]
    assert cut_snippet("short", ["nothing"]) == ("short", ())


@pytest.mark.parametrize(
    ("markdown", "words"),
    [
        ("What about **Second Wind**? She", "What about Second Wind? She"),
        ("## A *small* boat\n> and `a ** b`", "A small boat\nand a ** b"),
        ("***both*** and ~~gone~~, [the ninth lock](https://example.org/9)", "both and gone, the ninth lock"),
        ("2 * 3 * 4, snake_case_name, 5 > 3", "2 * 3 * 4, snake_case_name, 5 > 3"),
        ("see\n```python\ndef __init__(self, *a, **b):\n```\nthere", "def __init__(self, *a, **b):"),
        ("**cut in the middle", "**cut in the middle"),
    ],
)
def test_a_snippet_shows_no_marks_of_markdown(markdown: str, words: str) -> None:
    assert words in without_marks(markdown)
