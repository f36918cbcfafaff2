"""Formulas are hidden from markdown, and nothing else is."""

from __future__ import annotations

import pytest

from meadow_desktop.chat.text.maths import hide_maths, mark_of


@pytest.mark.parametrize(
    "formula",
    [r"$a_1 \cdot b_2$", "$x$", r"\(x_i^2\)", "$$\n\\sum_i a_i\n$$", r"\[ a * b * c \]", "$|x|$"],
)
def test_a_formula_is_exchanged_for_a_mark(formula: str) -> None:
    assert hide_maths(f"Before {formula} and {formula} after") == (
        f"Before {mark_of(0)} and {mark_of(1)} after",
        [formula, formula],
    )


@pytest.mark.parametrize(
    "text",
    [
        "costs $5 and $10",
        "`$HOME` and `$PATH`",
        "a [link](http://x/$a$) and http://y/$b$",
        r"escaped \$a$ sign",
        "one $ alone",
        "two $a\n\nb$ paragraphs",
    ],
)
def test_what_is_no_formula_stays(text: str) -> None:
    assert hide_maths(text) == (text, [])


def test_a_strangers_marks_are_not_taken_for_ours() -> None:
    hidden, formulas = hide_maths(f"{mark_of(0)} $a$")
    assert formulas == ["$a$"]
    assert hidden.count(mark_of(0)) == 1
