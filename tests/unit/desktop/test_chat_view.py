"""What a conversation looks like, in words."""

from __future__ import annotations

import pytest

from meadow_desktop.chat.conversation import Answer, Question, begin_conversation
from meadow_desktop.chat.segments import Code, Prose, Segment, cut
from meadow_desktop.chat.view import (
    AnswerView,
    QuestionView,
    describe_rate,
    present_answer,
    present_conversation,
)
from meadow_engine.api.answers import AnswerOrigin, ChainLink
from meadow_engine.api.errors import Problem

ORIGIN = AnswerOrigin(
    chain=[
        ChainLink(peer="12D3A", name="volunteer-a", start=0, end=3),
        ChainLink(peer="12D3B", name="volunteer-b", start=3, end=4),
    ],
    tokens_per_second=24.123,
    first_token_s=0.21,
)


def test_a_complete_answer_says_who_answered_and_how_fast() -> None:
    view = present_answer(Answer(text="Hi", phase="complete", origin=ORIGIN), is_last=True)
    assert view.footer == (
        "24.1 tokens/s · first token 0.2 s · answered by volunteer-a (layers 0–2) → volunteer-b (layer 3)"
    )
    assert "12D3A" in view.footer_detail
    assert (view.repeat, view.can_copy, view.is_writing) == ("regenerate", True, False)


def test_an_answer_of_one_token_has_no_rate() -> None:
    one = ORIGIN.model_copy(update={"tokens_per_second": 0.0})
    assert present_answer(Answer(text="Hi", phase="complete", origin=one), is_last=True).footer.startswith(
        "first token"
    )


def test_a_failed_answer_offers_to_try_again_with_sentence_and_advice() -> None:
    problem = Problem(code="server-lost", message="the computer left", advice="Ask again")
    view = present_answer(Answer(text="Half", phase="failed", problem=problem), is_last=True)
    assert (view.problem, view.advice, view.repeat) == ("The computer left.", "Ask again.", "try-again")
    assert view.text == "Half"


def test_a_conversation_that_is_too_long_is_advised_to_begin_anew() -> None:
    problem = Problem(code="context_length_exceeded", message="Only 512 fit", advice="Ask for fewer new tokens")
    assert "new conversation" in present_answer(Answer(phase="failed", problem=problem), is_last=True).advice


def test_a_stopped_answer_says_so_and_waiting_says_what_for() -> None:
    assert present_answer(Answer(text="Half", phase="stopped"), is_last=True).footer == "Stopped"
    waiting = present_answer(Answer(phase="waiting", notice="layer 3 is missing"), is_last=True)
    assert waiting.notice == "Layer 3 is missing."
    assert waiting.is_writing
    assert present_answer(Answer(), is_last=True).notice == "Thinking…"


def test_only_the_last_answer_can_be_asked_for_again() -> None:
    whole = begin_conversation("a").model_copy(
        update={
            "messages": (
                Question(text="a"),
                Answer(text="b", phase="complete"),
                Question(text="c"),
                Answer(text="d", phase="complete"),
            )
        }
    )
    views = present_conversation(whole)
    assert views[0] == QuestionView("a")
    assert [view.repeat for view in views if isinstance(view, AnswerView)] == ["", "regenerate"]
    assert present_conversation(None) == []


@pytest.mark.parametrize(("rate", "words"), [(0.841, "0.84"), (1.0, "1.0"), (24.06, "24.1"), (312.4, "312")])
def test_a_rate_has_three_figures(rate: float, words: str) -> None:
    assert describe_rate(rate) == words


@pytest.mark.parametrize(
    ("markdown", "segments"),
    [
        ("", []),
        ("\n \n", []),
        ("one\n\ntwo", [Prose("one\n\ntwo")]),
        ("a\n```python\nx = 1\n\ny = 2\n```\nb", [Prose("a"), Code("python", "x = 1\n\ny = 2"), Prose("b")]),
        ("```\nopen", [Code("", "open")]),
        ("```py title=x\ncode", [Code("py", "code")]),
        ("````\n```\n````", [Code("", "```")]),
        ("~~~c\nint x;\n~~~", [Code("c", "int x;")]),
        ("```one `two` line```", [Prose("```one `two` line```")]),
        ("1. item\n\n       ```\n       x\n       ```", [Prose("1. item\n\n       ```\n       x\n       ```")]),
        ("```\na\n``` b\n```", [Code("", "a\n``` b")]),
        ("a\n``", [Prose("a\n``")]),
    ],
)
def test_markdown_is_cut_at_its_fences(markdown: str, segments: list[Segment]) -> None:
    assert cut(markdown) == segments


def test_streaming_only_ever_changes_the_last_segments() -> None:
    text = "Intro\n\n```python\nx = 1\n```\n\nEnd **bold**\n\n```\nz\n```"
    settled: list[Segment] = []
    for length in range(len(text)):
        segments = cut(text[:length])
        # Two may change at once: a paragraph turns out to end where a fence begins.
        keep = max(0, min(len(settled), len(segments)) - 2)
        assert segments[:keep] == settled[:keep]
        settled = segments
