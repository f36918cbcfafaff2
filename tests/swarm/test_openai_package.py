"""The `openai` package, unchanged, talks to the swarm."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from fakes.processes import API_KEY, Program, Swarm, running_meadow

# More tokens than a session needs to be worth keeping.
LONG_PREFACE = "Please take all the time that you need for what I ask you now. " * 3
QUESTION = [{"role": "user", "content": "What is Meadow?"}]


@pytest.fixture(scope="module")
def client(gateway: Program) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=gateway.ready["url"], api_key=API_KEY, max_retries=0, timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def model(client: openai.OpenAI) -> str:
    return client.models.list().data[0].id


@pytest.fixture(scope="module")
def local_answer(demo_swarm: Swarm) -> str:
    """What local Transformers answers greedily."""
    tokenizer = AutoTokenizer.from_pretrained(demo_swarm.model)
    local = AutoModelForCausalLM.from_pretrained(demo_swarm.model, dtype=torch.float32)
    encoded = tokenizer.apply_chat_template(
        QUESTION, add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
    )
    text = local.generate(**encoded, max_new_tokens=200, do_sample=False)
    return str(tokenizer.decode(text[0, encoded["input_ids"].shape[1] :], skip_special_tokens=True))


def test_a_whole_answer_is_the_one_of_local_transformers(client: openai.OpenAI, model: str, local_answer: str) -> None:
    reply = client.chat.completions.create(model=model, messages=QUESTION, temperature=0, max_tokens=200)
    assert reply.choices[0].message.content == local_answer
    assert reply.choices[0].finish_reason == "stop"
    assert reply.object == "chat.completion"


def test_usage_counts_the_prompt_and_the_answer(client: openai.OpenAI, model: str, demo_swarm: Swarm) -> None:
    reply = client.chat.completions.create(model=model, messages=QUESTION, temperature=0, max_tokens=7)
    tokenizer = AutoTokenizer.from_pretrained(demo_swarm.model)
    encoded = tokenizer.apply_chat_template(QUESTION, add_generation_prompt=True, tokenize=True, return_dict=True)
    assert reply.usage is not None
    assert reply.usage.prompt_tokens == len(encoded["input_ids"])
    assert reply.usage.completion_tokens == 7
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + 7
    assert reply.choices[0].finish_reason == "length"


def test_a_streamed_answer_comes_in_pieces_and_is_the_same(
    client: openai.OpenAI, model: str, local_answer: str
) -> None:
    pieces, reasons, usage, origin = [], [], None, None
    with client.chat.completions.create(
        model=model,
        messages=QUESTION,
        temperature=0,
        max_tokens=200,
        stream=True,
        stream_options={"include_usage": True},
    ) as stream:
        for chunk in stream:
            usage = chunk.usage or usage
            origin = (chunk.model_extra or {}).get("meadow") or origin
            for choice in chunk.choices:
                if choice.delta.content:
                    pieces.append(choice.delta.content)
                if choice.finish_reason:
                    reasons.append(choice.finish_reason)
    assert "".join(pieces) == local_answer
    assert len(pieces) > 5
    assert reasons == ["stop"]
    assert usage is not None
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    assert origin is not None
    assert [(link["start"], link["end"]) for link in origin["chain"]] == [(0, 3), (3, 4), (4, 8)]
    assert origin["tokens_per_second"] > 0


def test_a_stop_string_ends_the_answer_before_it(client: openai.OpenAI, model: str, local_answer: str) -> None:
    words = local_answer.split()
    stop = f"{words[3]} {words[4]}"
    reply = client.chat.completions.create(model=model, messages=QUESTION, temperature=0, stop=[stop])
    assert reply.choices[0].message.content == local_answer[: local_answer.index(stop)]
    assert reply.choices[0].finish_reason == "stop"


def test_a_seed_repeats_an_answer_and_another_seed_changes_it(client: openai.OpenAI, model: str) -> None:
    def ask(seed: int) -> str | None:
        messages = [{"role": "user", "content": "Tell me a story about a fox."}]
        reply = client.chat.completions.create(
            model=model, messages=messages, temperature=1.8, seed=seed, max_tokens=40
        )
        return reply.choices[0].message.content

    first = ask(1)
    assert ask(1) == first
    assert any(ask(seed) != first for seed in range(2, 6))


def test_the_completions_endpoint_continues_text(client: openai.OpenAI, model: str) -> None:
    reply = client.completions.create(model=model, prompt="Once upon a time", max_tokens=12, temperature=0)
    assert reply.usage is not None
    assert reply.usage.completion_tokens <= 12
    assert reply.choices[0].text


def test_answers_of_several_programs_at_once_do_not_mix(client: openai.OpenAI, model: str) -> None:
    from concurrent.futures import ThreadPoolExecutor

    questions = ["What is Meadow?", "Why is the sky blue?", "Tell me a joke.", "Who are you?"]

    def ask(question: str) -> str | None:
        reply = client.chat.completions.create(
            model=model, messages=[{"role": "user", "content": question}], temperature=0, max_tokens=60
        )
        return reply.choices[0].message.content

    alone = [ask(question) for question in questions]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(ask, questions))
    assert together == alone
    assert len(set(alone)) == len(questions)


def test_a_wrong_key_is_401(gateway: Program, model: str) -> None:
    with (
        openai.OpenAI(base_url=gateway.ready["url"], api_key="wrong", max_retries=0) as stranger,
        pytest.raises(openai.AuthenticationError) as caught,
    ):
        stranger.chat.completions.create(model=model, messages=QUESTION)
    assert "API key" in str(caught.value)


def test_an_unknown_model_is_404(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model="gpt-9", messages=QUESTION)
    assert "gpt-9" in str(caught.value)


def test_malformed_json_is_400(gateway: Program) -> None:
    reply = httpx.post(
        gateway.ready["url"] + "/chat/completions",
        content=b'{"model": ',
        headers={"Authorization": f"Bearer {API_KEY}", "Content-Type": "application/json"},
    )
    assert reply.status_code == 400
    assert "JSON" in reply.json()["error"]["message"]


def test_a_prompt_longer_than_the_context_is_400(client: openai.OpenAI, model: str) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model=model, messages=[{"role": "user", "content": "word " * 5000}])
    assert caught.value.code == "context_length_exceeded"


def test_a_web_page_is_refused(gateway: Program) -> None:
    headers = {"Authorization": f"Bearer {API_KEY}"}
    url = gateway.ready["url"] + "/models"
    assert httpx.get(url, headers={**headers, "Origin": "https://example.org"}).status_code == 403
    assert httpx.get(url, headers={**headers, "Host": "example.org"}).status_code == 421


def test_a_reader_that_goes_away_stops_the_computation(client: openai.OpenAI, model: str, gateway: Program) -> None:
    messages = [{"role": "user", "content": "Tell me a story about a fox."}]
    for _ in range(20):  # more than there are worker threads: an answer that ran on would block the last ones
        with client.chat.completions.create(
            model=model, messages=messages, temperature=2.0, max_tokens=1500, stream=True
        ) as stream:
            next(iter(stream))
    reply = client.chat.completions.create(model=model, messages=QUESTION, temperature=0, max_tokens=5)
    assert reply.choices[0].message.content
    assert gateway.process.poll() is None


def cached_tokens(usage: Any) -> int:
    assert usage is not None
    assert usage.prompt_tokens_details is not None
    return int(usage.prompt_tokens_details.cached_tokens)


def test_the_second_turn_of_a_conversation_pays_for_what_is_new(
    client: openai.OpenAI, model: str, demo_swarm: Swarm, tmp_path: Path
) -> None:
    messages: list[Any] = [{"role": "user", "content": "Tell me a long story."}]
    first = client.chat.completions.create(model=model, messages=messages, temperature=0, max_tokens=100)
    messages += [
        {"role": "assistant", "content": first.choices[0].message.content},
        {"role": "user", "content": "What is Meadow?"},
    ]
    second = client.chat.completions.create(model=model, messages=messages, temperature=0, max_tokens=60)
    assert first.usage is not None
    assert cached_tokens(second.usage) >= first.usage.prompt_tokens + 80
    arguments = ["gateway", str(demo_swarm.model), "--join", demo_swarm.address, "--api-key", API_KEY]
    with (
        running_meadow(*arguments, "--base-dir", str(tmp_path)) as program,
        openai.OpenAI(base_url=program.ready["url"], api_key=API_KEY, max_retries=0, timeout=60) as stranger,
    ):
        fresh = stranger.chat.completions.create(model=model, messages=messages, temperature=0, max_tokens=60)
    assert cached_tokens(fresh.usage) == 0
    assert second.choices[0].message.content == fresh.choices[0].message.content


def test_a_stream_that_broke_off_is_asked_again_for_one_token(client: openai.OpenAI, model: str) -> None:
    question: Any = [{"role": "user", "content": f"{LONG_PREFACE}Tell me a story about a fox."}]
    with client.chat.completions.create(
        model=model, messages=question, temperature=0, max_tokens=300, stream=True
    ) as stream:
        for chunk in stream:
            if chunk.choices and chunk.choices[0].delta.content:
                break
    again = client.chat.completions.create(model=model, messages=question, temperature=0, max_tokens=40)
    assert again.usage is not None
    assert cached_tokens(again.usage) == again.usage.prompt_tokens - 1
    # Asked once more in a session that has gone on much further than where this one broke off.
    whole = client.chat.completions.create(model=model, messages=question, temperature=0, max_tokens=40)
    assert whole.choices[0].message.content == again.choices[0].message.content
