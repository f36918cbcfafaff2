"""Markdown in segments: bounded, in order, and the same whether it came at once or letter by letter."""

from __future__ import annotations

import pytest

from meadow_desktop.chat.text.segments import (
    CODE_CHARACTERS,
    HARD_CHARACTERS,
    AnswerCutter,
    Code,
    Prose,
    cut,
    whole_code,
)

MIXED = """# Title

Words with a [link][home] and `code`.

1. one
   ```python
   if x:
       y
   ```
   more of one

   - nested
2. two

Here it is:
a | b
--|--
1 | 2
done

> quoted
> twice

[home]: https://example.org/x

~~~
open end
"""


def test_an_answer_that_grows_is_cut_like_one_that_is_there() -> None:
    text = MIXED + "\n~~~\n" + "- an item of a list\n  - below it\n" * 150 + MIXED
    cutter = AnswerCutter()
    for length in range(0, len(text), 3):
        segments = cutter.cut(text[:length])
        if length % 5 == 0:
            assert segments == cut(text[:length])
    assert cutter.cut(text) == cut(text)
    assert cutter.cut("another text") == [Prose("another text")]


def test_finished_segments_are_never_made_again() -> None:
    text = "A sentence of some words. " * 30 + "\n\n"
    cutter = AnswerCutter()
    before = cutter.cut(text * 10)
    after = cutter.cut(text * 10 + "and more\n")
    assert len(before) > 3
    assert all(one is other for one, other in zip(before[:-1], after, strict=False))


def test_code_inside_of_an_item_is_cut_out_without_its_indentation() -> None:
    code = next(each for each in cut(MIXED) if isinstance(each, Code))
    assert code == Code("python", "if x:\n    y", indent=3)
    after = cut(MIXED)[2]
    assert after == Prose("more of one\n\n- nested", indent=3)


def test_a_table_is_a_segment_and_a_long_one_repeats_its_head() -> None:
    tables = [each.text for each in cut("Here:\na | b\n--|--\n" + "1 | 2\n" * 100) if "--|--" in each.text]
    assert len(tables) == 3
    assert all(text.startswith("a | b\n--|--\n") for text in tables)
    assert sum(text.count("1 | 2") for text in tables) == 100


@pytest.mark.parametrize(
    "text",
    [
        "Sentences without a paragraph go on and on. " * 600,
        "word " * 4000,
        "x" * 20_000,
        "- " + "one item that never ends, " * 800,
        "- item\n" * 3000,
        "> quoted words on a line\n" * 900,
        "- a\n" + "  - deep\n" * 2000,
        "lines of a poem\n" * 1500,
    ],
    ids=["sentences", "words", "letters", "an item", "items", "a quotation", "deep items", "lines"],
)
def test_no_segment_is_long_and_no_word_is_lost(text: str) -> None:
    segments = cut(text)
    assert max(len(each.text) for each in segments) <= HARD_CHARACTERS + 100
    assert sum(each.text.count("o") for each in segments) == text.count("o")
    assert sum(each.text.count("x") for each in segments) == text.count("x")


def test_long_code_comes_in_parts_and_is_copied_whole() -> None:
    code = "\n".join(f"value_{number} = {number}" for number in range(2000))
    segments = cut(f"Here:\n\n```python\n{code}\n```\n\nDone.")
    parts = [each for each in segments if isinstance(each, Code)]
    assert len(parts) > 3
    assert max(len(part.text) for part in parts) <= CODE_CHARACTERS + 100
    assert [part.continues for part in parts] == [False] + [True] * (len(parts) - 1)
    assert {whole_code(segments, place) for place in range(1, len(parts) + 1)} == {code}


def test_a_link_finds_its_address_at_the_end_of_a_long_answer() -> None:
    text = "See [the page][1].\n\n" + "Many words stand between. " * 300
    cutter = AnswerCutter()
    cutter.cut(text)
    first, *_others, last = cutter.cut(text + "\n\n[1]: https://example.org/\n")
    assert first.text.endswith("\n\n[1]: https://example.org/")
    assert "example.org" not in last.text
