"""int8 hidden states with the bundled model's real activations: how far answers and logits move."""

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
