"""Codecs with the bundled model's real activations: how far int8 moves answers and logits, and that `auto` does not."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from fakes.processes import Swarm
from meadow_client import AutoDistributedModelForCausalLM

QUESTIONS = [
    "What is Meadow?",
    "Tell me a story about a fox.",
    "Why is the sky blue?",
    "How do bees find flowers?",
    "What is a computer?",
    "Hello, how are you?",
    "What does a server do in a swarm?",
    "Tell me about the sea.",
]
TOKENS = 32


@pytest.fixture(scope="module")
def models(demo_swarm: Swarm) -> tuple[Any, Any]:
    source = str(demo_swarm.model)
    ours = AutoDistributedModelForCausalLM.from_pretrained(
        source, initial_peers=[demo_swarm.address], dtype="float32", codec="int8"
    )
    return ours, AutoModelForCausalLM.from_pretrained(source, dtype=torch.float32).eval()


def prompt(source: str, question: str) -> torch.Tensor:
    tokenizer: Any = AutoTokenizer.from_pretrained(source)
    messages = [{"role": "user", "content": question}]
    encoded = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=True)
    return torch.tensor([encoded["input_ids"]])


def test_logits_stay_close_and_nearly_every_next_token_is_the_same(demo_swarm: Swarm, models: tuple[Any, Any]) -> None:
    ours, local = models
    same = total = 0
    errors = []
    for question in QUESTIONS:
        ids = prompt(str(demo_swarm.model), question)
        text = local.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=TOKENS, min_new_tokens=TOKENS, do_sample=False
        )
        with torch.no_grad(), ours.remote.inference_session(text.shape[1]) as session:
            expected = local(text).logits[:, ids.shape[1] - 1 :]
            found = ours.lm_head(ours.model.norm(session.step(ours.get_input_embeddings()(text))))
            found = found[:, ids.shape[1] - 1 :]
        same += int((found.argmax(-1) == expected.argmax(-1)).sum())
        total += expected.shape[1]
        errors.append(float((found - expected).norm() / expected.norm()))
    assert 0 < max(errors) < 0.05
    assert same >= 0.97 * total


def test_a_codec_that_is_chosen_by_links_is_exact_on_one_computer(demo_swarm: Swarm, models: tuple[Any, Any]) -> None:
    """Loopback is no bottleneck; bodies this small are not even measured, so a busy computer changes nothing."""
    _int8, local = models
    source = str(demo_swarm.model)
    ours = AutoDistributedModelForCausalLM.from_pretrained(
        source, initial_peers=[demo_swarm.address], dtype="float32", codec="auto"
    )
    ids = prompt(source, QUESTIONS[0])
    with torch.no_grad(), ours.remote.inference_session(ids.shape[1] + 4) as session:
        entering = ours.get_input_embeddings()(ids)
        found = [session.step(entering), *(session.step(entering[:, -1:]) for _ in range(4))]
        expected = local(torch.cat([ids, ids[:, -1:].expand(1, 4)], dim=1)).logits
        logits = ours.lm_head(ours.model.norm(torch.cat(found, dim=1)))
    torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-4)
