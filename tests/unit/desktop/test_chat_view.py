"""What a conversation looks like, in words."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from meadow_client.errors import LayersMissingError
from meadow_client.gateway.askable import UnknownModelError
from meadow_desktop.chat.context import ContextUse
from meadow_desktop.chat.conversation import Answer, Conversation, Question
from meadow_desktop.chat.text.segments import Code, Prose, Segment, cut
from meadow_desktop.chat.words.context_view import present_context
from meadow_desktop.chat.words.origin_words import ChainPart
from meadow_desktop.chat.words.view import (
    AnswerView,
    BranchView,
    QuestionView,
    present_answer,
    present_conversation,
)
from meadow_desktop.engine.link_policy import LinkFacts, present
from meadow_desktop.engine.link_state import Unreachable
from meadow_desktop.phrases import describe_rate
from meadow_engine.api.answers import AnswerOrigin, ChainLink, Replacement
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
    answer = Answer(text="Hi", phase="complete", origin=ORIGIN, model="models/meadow-demo")
    view = present_answer(answer, is_last=True)
    assert view.footer == "24.1 tokens/s · first token 0.2 s · meadow-demo"
    assert view.footer_detail.splitlines() == ["volunteer-a: layers 0–2 · 12D3A", "volunteer-b: layer 3 · 12D3B"]
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


def test_a_model_that_is_gone_is_told_to_people_and_another_is_offered() -> None:
    gone = UnknownModelError("owner/Gone-7B", "meadow-demo")
    problem = Problem(code=gone.code, message=str(gone), advice=gone.advice)
    view = present_answer(Answer(phase="failed", problem=problem, model="owner/Gone-7B"), is_last=True)
    assert view.problem == "Nobody in the swarm offers the model Gone-7B any more."
    assert (view.advice, view.needs_model) == ("Choose another model for this conversation.", True)
    assert not present_answer(Answer(phase="failed", problem=problem, model="x"), is_last=False).needs_model


def test_advice_in_the_window_needs_no_terminal() -> None:
    missing = LayersMissingError("demo", [(3, 4)])
    problem = Problem(code=missing.code, message=str(missing), advice=missing.advice)
    advice = present_answer(Answer(phase="failed", problem=problem), is_last=True).advice
    assert advice == "Try again when more computers are on, or choose another model."
    nobody = present(LinkFacts(False, None, child_runs=False, may_start=False, searching_s=60.0))
    assert isinstance(nobody, Unreachable)
    assert "`" not in nobody.problem.advice


def test_a_stopped_answer_says_so_and_waiting_says_what_for() -> None:
    assert present_answer(Answer(text="Half", phase="stopped"), is_last=True).footer == "Stopped"
    waiting = present_answer(Answer(phase="waiting", notice="layer 3 is missing"), is_last=True)
    assert waiting.notice == "Layer 3 is missing."
    assert waiting.is_writing
    assert present_answer(Answer(), is_last=True).notice == "Thinking…"


NOW = datetime(2026, 1, 1, tzinfo=UTC)
BRANCHED = Conversation(
    "0" * 32,
    "a",
    NOW,
    NOW,
    nodes=(
        Question(id="1", text="a"),
        Answer(id="2", parent="1", text="b", phase="complete"),
        Answer(id="3", parent="1", text="b again", phase="complete"),
        Question(id="4", parent="2", text="c"),
        Answer(id="5", parent="4", text="d", phase="complete"),
    ),
    chosen={"1": "2"},
)


def test_every_answer_can_be_written_again() -> None:
    views = present_conversation(BRANCHED)
    assert views[0] == QuestionView("a", "1", can_change=True)
    assert [view.repeat for view in views if isinstance(view, AnswerView)] == ["regenerate", "regenerate"]
    assert [view.is_last for view in views if isinstance(view, AnswerView)] == [False, True]
    assert present_conversation(None) == []


def test_a_message_with_several_versions_says_which_one_is_shown() -> None:
    views = present_conversation(BRANCHED)
    assert [(view.message_id, view.branch) for view in views] == [
        ("1", None),
        ("2", BranchView(1, 2)),
        ("4", None),
        ("5", None),
    ]
    assert (BranchView(1, 2).text, BranchView(1, 2).spoken) == ("1 / 2", "Version 1 of 2")


def test_nothing_can_be_changed_while_an_answer_is_under_way() -> None:
    asking = Conversation("0" * 32, "a", NOW, NOW, nodes=(Question(id="1", text="a"), Answer(id="2", parent="1")))
    assert [view.can_change for view in present_conversation(asking)] == [False, False]


def test_an_answer_tells_who_computed_it_and_gently_who_left() -> None:
    origin = ORIGIN.model_copy(
        update={
            "recoveries": [
                Replacement(lost=["desk-2"], instead=["volunteer-b"], seconds=0.31),
                Replacement(lost=["laptop"], instead=["volunteer-b"], seconds=12.4, is_planned=True),
                Replacement(lost=["phone"], instead=[], seconds=0.01),
            ]
        }
    )
    view = present_answer(Answer(text="Hi", phase="complete", origin=origin), is_last=True)
    assert view.chain == (
        ChainPart("volunteer-a", "layers 0–2", "12D3A"),
        ChainPart("volunteer-b", "layer 3", "12D3B", is_replacement=True),
    )
    assert view.recoveries == (
        "desk-2 left; volunteer-b took over in 0.3 s",
        "laptop had to leave and handed over to volunteer-b in 12 s",
        "phone left; the others took over in 0.1 s",
    )


def test_an_answer_says_what_had_no_room() -> None:
    view = present_answer(Answer(text="Hi", phase="complete", left_out=6, is_cut=True), is_last=True)
    assert view.remarks == (
        "The 6 oldest messages had no room and were left out.",
        "The answer ends here because no more tokens were allowed.",
    )


def test_the_meter_says_how_much_is_taken_and_when_it_guesses() -> None:
    exact = present_context(ContextUse(1204, 4096, is_estimate=False), leaves_out_oldest=True)
    assert (exact.text, exact.level) == ("1,204 of 4,096 tokens", "calm")
    guess = present_context(ContextUse(3500, 4096, is_estimate=True), leaves_out_oldest=False)
    assert (guess.text, guess.level) == ("≈ 3,500 of 4,096 tokens", "near")
    assert "begin a new one" in guess.detail
    full = present_context(ContextUse(9000, 4096, is_estimate=True, left_out=2), leaves_out_oldest=True)
    assert (full.share, full.level) == (1.0, "full")
    assert "2 oldest messages were left out" in full.detail
    nothing = present_context(ContextUse(0, None, is_estimate=False), leaves_out_oldest=True)
    assert nothing.text == ""  # there is nothing to say while the engine starts
    unknown = present_context(ContextUse(10, None, is_estimate=True), leaves_out_oldest=True)
    assert (unknown.text, unknown.share) == ("≈ 10 tokens", None)


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
