"""The server speaks as OpenAI's does: whole answers, streams, and errors with a code."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from meadow_client.errors import LayersMissingError, MeadowError, ServerLostError, UsageError
from meadow_client.models.answering import End, Piece
from meadow_client.models.sampling import Sampling
from meadow_client.session.swarm_client import Waiting

HELLO: dict[str, Any] = {"model": "demo", "messages": [{"role": "user", "content": "Hello?"}]}
TEXT: dict[str, Any] = {"model": "demo", "prompt": "Once"}
END = End("stop", 7, 3, [], 0.5, 12.0)
ORIGIN = {
    "chain": [{"peer": "12D3KooWservant", "name": "computer", "start": 0, "end": 6}],
    "tokens_per_second": 12.35,
    "first_token_s": 0.512,
    "recoveries": [{"lost": ["computer-2"], "instead": ["computer"], "seconds": 0.234, "is_planned": False}],
}
USAGE = {
    "prompt_tokens": 7,
    "completion_tokens": 3,
    "total_tokens": 10,
    "prompt_tokens_details": {"cached_tokens": 5},
}


async def chat(http: httpx.AsyncClient, **changes: Any) -> httpx.Response:
    return await http.post("/v1/chat/completions", json={**HELLO, **changes})


async def complete(http: httpx.AsyncClient, **changes: Any) -> httpx.Response:
    return await http.post("/v1/completions", json={**TEXT, **changes})


def error_of(reply: httpx.Response) -> dict[str, Any]:
    error: dict[str, Any] = reply.json()["error"]
    return error


def events_of(reply: httpx.Response) -> list[Any]:
    """What a stream's `data:` lines hold; the closing [DONE] as a text."""
    assert reply.headers["content-type"].startswith("text/event-stream")
    blocks = reply.text.split("\n\n")
    assert blocks.pop() == ""
    assert all(block.startswith("data: ") and "\n" not in block for block in blocks)
    texts = [block.removeprefix("data: ") for block in blocks]
    return [text if text == "[DONE]" else json.loads(text) for text in texts]


async def test_the_model_is_listed_with_its_context(http: httpx.AsyncClient) -> None:
    reply = (await http.get("/v1/models")).json()
    assert reply["object"] == "list"
    assert [(m["id"], m["object"], m["context_length"]) for m in reply["data"]] == [("demo", "model", 100)]


@pytest.mark.parametrize("name", ["demo", "/models/demo"])
async def test_the_model_is_found_by_its_name_and_by_its_place(http: httpx.AsyncClient, name: str) -> None:
    reply = await http.get(f"/v1/models/{name}")
    assert reply.status_code == 200
    assert reply.json()["id"] == "demo"


async def test_a_whole_answer_has_openais_form(http: httpx.AsyncClient) -> None:
    reply = await chat(http)
    body = reply.json()
    assert reply.status_code == 200
    assert (body["object"], body["model"]) == ("chat.completion", "demo")
    assert body["id"].startswith("chatcmpl-")
    assert isinstance(body["created"], int)
    assert body["choices"] == [
        {
            "index": 0,
            "finish_reason": "stop",
            "logprobs": None,
            "message": {"role": "assistant", "content": "Hello", "refusal": None},
        }
    ]
    assert body["usage"] == USAGE
    assert body["meadow"] == ORIGIN


async def test_a_streamed_answer_has_openais_form(http: httpx.AsyncClient) -> None:
    *chunks, done = events_of(await chat(http, stream=True))
    assert done == "[DONE]"
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    assert len({(chunk["id"], chunk["created"], chunk["model"]) for chunk in chunks}) == 1
    assert [chunk["choices"][0]["delta"] for chunk in chunks] == [
        {"role": "assistant", "content": ""},
        {"content": "Hel"},
        {"content": "lo"},
        {},
    ]
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks] == [None, None, None, "stop"]
    assert [chunk.get("meadow") for chunk in chunks] == [None, None, None, ORIGIN]
    assert all("usage" not in chunk for chunk in chunks)


async def test_a_stream_ends_with_its_usage_where_that_was_asked_for(http: httpx.AsyncClient) -> None:
    *_, last, done = events_of(await chat(http, stream=True, stream_options={"include_usage": True}))
    assert done == "[DONE]"
    assert (last["choices"], last["usage"]) == ([], USAGE)


async def test_a_text_is_completed_whole(http: httpx.AsyncClient) -> None:
    body = (await complete(http)).json()
    assert body["object"] == "text_completion"
    assert body["id"].startswith("cmpl-")
    assert body["choices"] == [{"index": 0, "finish_reason": "stop", "logprobs": None, "text": "Hello"}]
    assert body["usage"] == USAGE


async def test_a_text_is_completed_piece_by_piece(http: httpx.AsyncClient) -> None:
    *chunks, done = events_of(await complete(http, stream=True))
    assert done == "[DONE]"
    assert [chunk["choices"][0]["text"] for chunk in chunks] == ["", "Hel", "lo", ""]
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"


async def test_a_completion_repeats_the_prompt_where_that_was_asked_for(http: httpx.AsyncClient) -> None:
    assert (await complete(http, echo=True)).json()["choices"][0]["text"] == "OnceHello"
    *chunks, _ = events_of(await complete(http, echo=True, stream=True))
    assert "".join(chunk["choices"][0]["text"] for chunk in chunks) == "OnceHello"


async def test_text_beyond_ascii_arrives_as_it_is(http: httpx.AsyncClient, answerer: Any) -> None:
    answerer.events = [Piece("Grüße 🌱\n\n"), END]
    reply = await chat(http, stream=True)
    assert "Grüße 🌱" in reply.text
    assert events_of(reply)[1]["choices"][0]["delta"]["content"] == "Grüße 🌱\n\n"


async def test_an_answer_that_ran_out_of_room_says_so(http: httpx.AsyncClient, answerer: Any) -> None:
    answerer.events = [Piece("Hel"), End("length", 7, 1, [], 0.0, 0.0)]
    assert (await chat(http)).json()["choices"][0]["finish_reason"] == "length"


async def test_how_to_answer_is_passed_on(http: httpx.AsyncClient, answerer: Any) -> None:
    await chat(http, temperature=0.5, top_p=0.25, seed=11, stop=["END", "\n"], max_tokens=5)
    question = answerer.questions[0]
    assert question.sampling == Sampling(0.5, 0.25, 11)
    assert (question.stops, question.max_new_tokens) == (["END", "\n"], 5)


async def test_what_was_not_asked_is_the_models_own(http: httpx.AsyncClient, answerer: Any) -> None:
    await chat(http)
    question = answerer.questions[0]
    assert question.sampling == Sampling(0.8, 0.9, None)
    assert (list(question.stops), question.max_new_tokens) == ([], None)


async def test_temperature_zero_is_not_the_models_own(http: httpx.AsyncClient, answerer: Any) -> None:
    await chat(http, temperature=0)
    assert answerer.questions[0].sampling.temperature == 0


async def test_one_stop_string_may_come_without_a_list(http: httpx.AsyncClient, answerer: Any) -> None:
    await chat(http, stop="END")
    assert answerer.questions[0].stops == ["END"]


async def test_the_newer_name_of_the_limit_counts_first(http: httpx.AsyncClient, answerer: Any) -> None:
    await chat(http, max_tokens=5, max_completion_tokens=6)
    assert answerer.questions[0].max_new_tokens == 6


async def test_a_completion_is_sixteen_tokens_long_by_default(http: httpx.AsyncClient, answerer: Any) -> None:
    await complete(http)
    assert answerer.questions[0].max_new_tokens == 16


async def test_content_in_parts_is_one_text_and_developers_are_the_system(
    http: httpx.AsyncClient, answerer: Any
) -> None:
    parts = [{"type": "text", "text": "one "}, {"type": "text", "text": "two"}]
    await chat(http, messages=[{"role": "developer", "content": "Be kind."}, {"role": "user", "content": parts}])
    assert answerer.conversations == [
        [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "one two"}]
    ]


async def test_members_that_change_nothing_here_are_ignored(http: httpx.AsyncClient) -> None:
    reply = await chat(http, user="me", store=False, metadata={"a": "b"}, n=1, tools=[])
    assert reply.status_code == 200


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions"])
async def test_another_model_is_not_found(http: httpx.AsyncClient, path: str) -> None:
    reply = await http.post(path, json={**HELLO, **TEXT, "model": "gpt-4"})
    assert reply.status_code == 404
    assert error_of(reply)["code"] == "model_not_found"
    assert "'gpt-4'" in error_of(reply)["message"]


async def test_a_path_that_is_not_there_is_not_found(http: httpx.AsyncClient) -> None:
    reply = await http.get("/v1/nothing")
    assert (reply.status_code, error_of(reply)["code"]) == (404, "not_found")


async def test_another_method_is_refused_in_openais_form(http: httpx.AsyncClient) -> None:
    reply = await http.get("/v1/chat/completions")
    assert reply.status_code == 405
    assert error_of(reply)["type"] == "invalid_request_error"


@pytest.mark.parametrize("body", [b"", b"{", b"hello", b"\xff\xfe", b'{"model": "demo"'])
async def test_a_body_that_is_no_json_is_refused(http: httpx.AsyncClient, body: bytes) -> None:
    reply = await http.post("/v1/chat/completions", content=body, headers={"Content-Type": "application/json"})
    assert reply.status_code == 400
    assert error_of(reply)["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    ("changes", "about"),
    [
        ({"messages": []}, "messages"),
        ({"messages": "Hello"}, "messages"),
        ({"messages": [{"role": "wizard", "content": "x"}]}, "messages.role"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": "x"}]}]}, "messages.content"),
        ({"temperature": 2.5}, "temperature"),
        ({"temperature": -1}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"top_p": 0}, "top_p"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_completion_tokens": -5}, "max_completion_tokens"),
        ({"n": 2}, "n"),
        ({"stop": ["a", "b", "c", "d", "e"]}, "stop"),
        ({"tools": [{"type": "function"}]}, "tools"),
        ({"seed": "seven"}, "seed"),
        ({"model": None}, "model"),
    ],
    ids=str,
)
async def test_what_cannot_be_meant_is_refused_by_its_name(
    http: httpx.AsyncClient, changes: dict[str, Any], about: str
) -> None:
    reply = await chat(http, **changes)
    error = error_of(reply)
    assert (reply.status_code, error["type"]) == (400, "invalid_request_error")
    assert error["param"].startswith(about)
    assert error["message"].startswith(about)


async def test_a_request_without_messages_is_refused(http: httpx.AsyncClient) -> None:
    reply = await http.post("/v1/chat/completions", json={"model": "demo"})
    assert (reply.status_code, error_of(reply)["param"]) == (400, "messages")


@pytest.mark.parametrize("prompt", [[], ["a", "b"], [1, 2], None, 7])
async def test_a_prompt_is_one_text(http: httpx.AsyncClient, prompt: Any) -> None:
    assert (await complete(http, prompt=prompt)).status_code == 400


@pytest.mark.parametrize("stream", [False, True])
async def test_a_prompt_that_is_too_long_is_refused_before_anything_is_sent(
    http: httpx.AsyncClient, stream: bool
) -> None:
    reply = await chat(http, max_tokens=94, stream=stream)
    assert reply.status_code == 400
    assert error_of(reply)["code"] == "context_length_exceeded"


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (LayersMissingError("demo", [(0, 3)], 15), 503),
        (ServerLostError("12D3KooWservant", 0, 3), 503),
        (UsageError("No"), 400),
        (MeadowError("Something", "Do this."), 500),
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("stream", [False, True])
async def test_a_failure_before_the_answer_has_a_status(
    http: httpx.AsyncClient, answerer: Any, error: MeadowError, status: int, stream: bool
) -> None:
    answerer.events, answerer.error = [], error
    reply = await chat(http, stream=stream)
    assert (reply.status_code, error_of(reply)["code"]) == (status, error.code)
    assert str(error) in error_of(reply)["message"]


async def test_a_failure_in_the_middle_of_a_stream_is_its_last_event(http: httpx.AsyncClient, answerer: Any) -> None:
    answerer.events, answerer.error = [Piece("Hel")], ServerLostError("12D3KooWservant", 0, 3)
    reply = await chat(http, stream=True)
    events = events_of(reply)
    assert reply.status_code == 200
    assert events[1]["choices"][0]["delta"] == {"content": "Hel"}
    assert events[-1]["error"]["code"] == "server-lost"
    assert "[DONE]" not in events
    assert answerer.is_closed


async def test_a_failure_in_the_middle_of_a_whole_answer_is_its_status(http: httpx.AsyncClient, answerer: Any) -> None:
    answerer.events, answerer.error = [Piece("Hel")], ServerLostError("12D3KooWservant", 0, 3)
    assert (await chat(http)).status_code == 503


async def test_a_stream_says_what_it_waits_for(http: httpx.AsyncClient, answerer: Any) -> None:
    answerer.events = [Waiting("demo", [(0, 3)], 15.0), Piece("Hello"), END]
    *chunks, done = events_of(await chat(http, stream=True))
    assert done == "[DONE]"
    assert chunks[1]["choices"][0]["delta"] == {}
    assert chunks[1]["meadow"]["waiting"].startswith("No computer in the swarm holds layers 0–2 of demo now")
    assert chunks[1]["meadow"]["waiting"].endswith(".")


async def test_a_whole_answer_waits_silently(http: httpx.AsyncClient, answerer: Any) -> None:
    answerer.events = [Waiting("demo", [(0, 3)], 15.0), Piece("Hello"), END]
    assert (await chat(http)).json()["choices"][0]["message"]["content"] == "Hello"


async def test_a_temperature_that_is_no_number_is_refused(http: httpx.AsyncClient) -> None:
    body = json.dumps({**HELLO, "temperature": float("nan")})
    reply = await http.post("/v1/chat/completions", content=body, headers={"Content-Type": "application/json"})
    assert reply.status_code == 400


async def test_a_failure_that_nobody_expected_has_openais_form_too(http: httpx.AsyncClient, answerer: Any) -> None:
    answerer.events, answerer.error = [], RuntimeError("a defect of ours")
    reply = await chat(http)
    assert reply.status_code == 500
    assert error_of(reply)["type"] == "server_error"
    assert "defect" not in reply.text


async def test_a_failure_that_nobody_expected_ends_a_stream_with_an_error(
    http: httpx.AsyncClient, answerer: Any
) -> None:
    answerer.events, answerer.error = [Piece("Hel")], RuntimeError("a defect of ours")
    reply = await chat(http, stream=True)
    assert events_of(reply)[-1]["error"]["type"] == "server_error"
    assert "defect" not in reply.text
