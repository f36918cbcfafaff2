"""How an answer goes on, and what the gateway's chunks mean."""

from __future__ import annotations

import json

import pytest

from meadow_desktop.chat.answering import (
    AnswerEnded,
    AnswerEvent,
    AnswerFailed,
    LimitReached,
    OriginArrived,
    StopAsked,
    TextArrived,
    UsageArrived,
    WaitAnnounced,
    advance,
)
from meadow_desktop.chat.chunks import read_chunk, read_error_body
from meadow_desktop.chat.conversation import Answer, Usage
from meadow_engine.api.answers import AnswerOrigin
from meadow_engine.api.errors import Problem

PROBLEM = Problem(code="server-lost", message="A computer left", advice="Ask again.")


def after(*events: AnswerEvent) -> Answer:
    answer = Answer()
    for event in events:
        answer = advance(answer, event)
    return answer


def test_an_answer_waits_then_grows_then_is_complete() -> None:
    waiting = after(WaitAnnounced("Layers 3–5 are missing"))
    assert (waiting.phase, waiting.notice) == ("waiting", "Layers 3–5 are missing")
    writing = advance(waiting, TextArrived("Hel"))
    assert (writing.phase, writing.text, writing.notice) == ("writing", "Hel", "")
    assert advance(advance(writing, TextArrived("lo")), AnswerEnded()) == Answer(text="Hello", phase="complete")


def test_a_stopped_answer_keeps_its_text_and_ignores_what_comes_late() -> None:
    stopped = after(TextArrived("Half"), StopAsked(), TextArrived(" more"), AnswerFailed(PROBLEM), AnswerEnded())
    assert (stopped.phase, stopped.text, stopped.problem) == ("stopped", "Half", None)


def test_a_failed_answer_keeps_its_text_and_says_why() -> None:
    failed = after(TextArrived("Half"), AnswerFailed(PROBLEM))
    assert (failed.phase, failed.text, failed.problem) == ("failed", "Half", PROBLEM)


def test_waiting_in_mid_answer_does_not_take_the_text_away() -> None:
    answer = after(TextArrived("Half"), WaitAnnounced("Looking for layers 3–5"))
    assert (answer.phase, answer.text, answer.notice) == ("writing", "Half", "Looking for layers 3–5")


def test_a_chunk_gives_text_and_the_last_one_the_origin() -> None:
    origin = AnswerOrigin(chain=[], tokens_per_second=3.5, first_token_s=0.1)
    text = {"choices": [{"delta": {"content": "Hi"}}]}
    last = {"choices": [{"delta": {}, "finish_reason": "stop"}], "meadow": origin.model_dump()}
    assert read_chunk(json.dumps(text)) == [TextArrived("Hi")]
    assert read_chunk(json.dumps(last)) == [OriginArrived(origin)]
    assert read_chunk("[DONE]") == [AnswerEnded()]


def test_a_waiting_chunk_and_an_error_in_mid_stream_are_understood() -> None:
    waiting = {"choices": [{"delta": {}}], "meadow": {"waiting": "Layer 2 is missing"}}
    assert read_chunk(json.dumps(waiting)) == [WaitAnnounced("Layer 2 is missing")]
    error = {"error": {"message": "A computer left", "code": "server-lost", "advice": "Ask again."}}
    assert read_chunk(json.dumps(error)) == [AnswerFailed(PROBLEM)]


@pytest.mark.parametrize("data", ["", "{", "[]", "7", "null", '"text"'])
def test_nonsense_is_a_failure_in_words(data: str) -> None:
    (event,) = read_chunk(data)
    assert isinstance(event, AnswerFailed)
    assert event.problem.advice


@pytest.mark.parametrize(
    "chunk",
    [
        {},
        {"choices": []},
        {"choices": [None]},
        {"choices": [{"delta": None}]},
        {"choices": [{"delta": {"content": None}}]},
        {"choices": [{"delta": {"content": 5}}]},
        {"meadow": {"later": "version"}},
        {"meadow": 3, "usage": {"total_tokens": 9}},
    ],
)
def test_chunks_that_say_nothing_to_us_change_nothing(chunk: dict[str, object]) -> None:
    assert read_chunk(json.dumps(chunk)) == []


def test_an_error_body_of_either_api_or_of_none_becomes_a_problem() -> None:
    theirs = json.dumps({"error": {"message": "Too long", "type": "x", "code": None, "param": None}}).encode()
    assert read_error_body(theirs, 400) == Problem(code="http-400", message="Too long", advice="")
    assert read_error_body(PROBLEM.model_dump_json().encode(), 503) == PROBLEM
    assert "502" in read_error_body(b"<html>", 502).message


def test_the_advice_of_an_error_is_not_said_twice() -> None:
    error = {"message": "A computer left. Ask again.", "sentence": "A computer left.", "advice": "Ask again."}
    problem = read_error_body(json.dumps({"error": {**error, "code": "server-lost"}}).encode(), 503)
    assert (problem.message, problem.advice) == ("A computer left.", "Ask again.")


def test_the_count_of_tokens_and_a_reached_limit_stay_with_the_answer() -> None:
    cut = {"choices": [{"delta": {}, "finish_reason": "length"}]}
    usage = {"choices": [], "usage": {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15}}
    assert read_chunk(json.dumps(cut)) == [LimitReached()]
    assert read_chunk(json.dumps(usage)) == [UsageArrived(Usage(prompt_tokens=12, completion_tokens=3))]
    assert read_chunk(json.dumps({"choices": [], "usage": {"prompt_tokens": -1}})) == []
    answer = after(TextArrived("Hi"), LimitReached(), UsageArrived(Usage(prompt_tokens=12, completion_tokens=3)))
    assert (answer.is_cut, answer.usage) == (True, Usage(prompt_tokens=12, completion_tokens=3))
