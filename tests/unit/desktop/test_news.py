"""What is told of an answer to somebody who does not see it come."""

from __future__ import annotations

import pytest

from meadow_desktop.chat.conversation import Answer, AnswerPhase
from meadow_desktop.chat.words.news import describe_news
from meadow_engine.api.answers import AnswerOrigin, Replacement
from meadow_engine.api.errors import Problem

WRITING = Answer(id="a", phase="writing", text="Once")
LOSS = Replacement(lost=["desk-2"], instead=["attic"], seconds=0.31, is_planned=False)
ORIGIN = AnswerOrigin(chain=[], tokens_per_second=24, first_token_s=0.2, recoveries=[LOSS])
PROBLEM = Problem(code="x", message="the swarm does not answer", advice="try again later.")


def becoming(phase: AnswerPhase, **members: object) -> Answer:
    return WRITING.model_copy(update={"phase": phase, **members})


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (becoming("complete"), "The answer is complete."),
        (
            becoming("complete", origin=ORIGIN, is_cut=True),
            "The answer is complete. desk-2 left; attic took over in 0.3 s."
            " The answer ends here because no more tokens were allowed.",
        ),
        (becoming("stopped"), "The answer was stopped."),
        (becoming("failed", problem=PROBLEM), "The swarm does not answer. Try again later."),
        (becoming("waiting", notice="waiting for layers 3–5"), "Waiting for layers 3–5."),
    ],
)
def test_what_becomes_of_an_answer_is_said(answer: Answer, words: str) -> None:
    assert describe_news(WRITING, answer) == words


def test_more_words_are_no_news_and_a_wait_is_said_once() -> None:
    assert describe_news(WRITING, becoming("writing", text="Once upon")) == ""
    waiting = becoming("waiting", notice="waiting for layers 3–5")
    assert describe_news(waiting, waiting.model_copy(update={"text": "Once upon"})) == ""


def test_an_answer_that_was_there_already_is_no_news() -> None:
    assert describe_news(None, becoming("complete")) == ""
    assert describe_news(becoming("complete"), becoming("complete", model="another")) == ""
