"""What comes out of three engine processes is what local Transformers computes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from fakes.models import FAMILIES, write_tiny_model
from fakes.processes import running_swarm
from meadow_assets import demo_model_path
from meadow_client import AutoDistributedModelForCausalLM

TINY_SPANS = [(0, 1), (1, 4), (4, 6)]
DEMO_SPANS = [(0, 3), (3, 4), (4, 8)]
NEW_TOKENS = 40


@dataclass
class Pair:
    """The same model: local, and through a swarm."""

    local: Any
    ours: Any

    def prompt(self, tokens: int, batch: int = 1) -> torch.Tensor:
        generator = torch.Generator().manual_seed(tokens)
        return torch.randint(3, self.local.config.vocab_size, (batch, tokens), generator=generator)

    def both(self, ids: torch.Tensor, **options: Any) -> tuple[torch.Tensor, torch.Tensor]:
        """The texts that both generate, with the same seed."""
        texts = []
        for model in (self.local, self.ours):
            torch.manual_seed(1234)
            texts.append(
                model.generate(
                    ids,
                    **{
                        "attention_mask": torch.ones_like(ids),
                        "max_new_tokens": NEW_TOKENS,
                        "min_new_tokens": NEW_TOKENS,
                        "pad_token_id": 0,
                        "do_sample": False,
                        **options,
                    },
                )
            )
        return texts[0], texts[1]


@pytest.fixture(scope="module", params=["bundled", *FAMILIES[:7]])
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    family: str = request.param
    if family == "bundled":
        folder, spans = demo_model_path(), DEMO_SPANS
    else:
        folder = write_tiny_model(Path(tmp_path_factory.mktemp(family)), family)
        spans = TINY_SPANS
    local = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    with running_swarm(folder, spans) as swarm:
        ours = AutoDistributedModelForCausalLM.from_pretrained(
            folder, initial_peers=[swarm.address], dtype=torch.float32
        )
        yield Pair(local, ours)


def test_it_is_an_instance_of_the_models_own_class(pair: Pair) -> None:
    assert isinstance(pair.ours, type(pair.local))


def test_greedy_text_is_the_same(pair: Pair) -> None:
    expected, text = pair.both(pair.prompt(12))
    assert torch.equal(text, expected)
    assert text.shape[1] == 12 + NEW_TOKENS


def test_logits_of_a_prompt_are_the_same(pair: Pair) -> None:
    ids = pair.prompt(64)
    with torch.no_grad():
        difference = (pair.local(ids).logits - pair.ours(ids).logits).abs().max().item()
    assert difference <= 1e-4


def test_beam_search_finds_the_same_text(pair: Pair) -> None:
    expected, text = pair.both(pair.prompt(12), num_beams=4)
    assert torch.equal(text, expected)


def test_sampling_with_a_seed_draws_the_same_text(pair: Pair) -> None:
    expected, text = pair.both(pair.prompt(12), do_sample=True, temperature=0.9, top_k=20)
    assert torch.equal(text, expected)


def test_padded_prompts_of_different_length_give_the_same_texts(pair: Pair) -> None:
    ids = pair.prompt(12, batch=2)
    mask = torch.ones_like(ids)
    mask[0, :5] = 0
    expected, text = pair.both(ids, attention_mask=mask)
    assert torch.equal(text, expected)


def test_prompt_lookup_guesses_and_rolls_back_to_the_same_text(pair: Pair) -> None:
    ids = torch.cat([pair.prompt(6), pair.prompt(6), pair.prompt(6)], dim=1)
    expected, text = pair.both(ids, prompt_lookup_num_tokens=3)
    assert torch.equal(text, expected)


def test_text_continues_from_embeddings(pair: Pair) -> None:
    ids = pair.prompt(8)
    expected, _ = pair.both(ids, max_new_tokens=8, min_new_tokens=8)
    embeddings = pair.ours.get_input_embeddings()(ids)
    text = pair.ours.generate(
        inputs_embeds=embeddings, max_new_tokens=8, min_new_tokens=8, do_sample=False, pad_token_id=0
    )
    assert torch.equal(text, expected[:, 8:])


def test_rolling_back_and_stepping_again_gives_the_same_hidden_states(pair: Pair) -> None:
    width = pair.ours.config.get_text_config().hidden_size
    hidden = torch.randn(1, 9, width, generator=torch.Generator().manual_seed(0))
    with pair.ours.remote.inference_session(max_length=32) as session:
        session.step(hidden[:, :4])
        first = session.step(hidden[:, 4:])
        session.position = 4
        again = session.step(hidden[:, 4:])
        assert session.position == 9
    assert torch.equal(again, first)


def test_several_calls_in_one_session_continue_one_text(pair: Pair) -> None:
    ids = pair.prompt(12)
    expected, _ = pair.both(ids, max_new_tokens=15, min_new_tokens=15)
    options: dict[str, Any] = {"pad_token_id": 0, "do_sample": False}
    with pair.ours.inference_session(max_length=64) as session:
        text = pair.ours.generate(ids, max_new_tokens=5, min_new_tokens=5, session=session, **options)
        text = pair.ours.generate(text, max_new_tokens=5, min_new_tokens=5, **options)
        text = pair.ours.generate(None, max_new_tokens=5, min_new_tokens=5, **options)
        assert session.position == text.shape[1] - 1
    assert torch.equal(text, expected)


def test_gradients_reach_the_input_of_remote_layers(pair: Pair) -> None:
    remote = pair.ours.remote[1:5]
    width = pair.ours.config.get_text_config().hidden_size
    hidden = torch.randn(2, 6, width, generator=torch.Generator().manual_seed(0)).requires_grad_()
    direction = torch.randn(2, 6, width, generator=torch.Generator().manual_seed(1))
    (remote(hidden) * direction).sum().backward()
    step = 3e-4 * direction / direction.norm() * hidden.detach().norm()
    with torch.no_grad():
        ahead = (remote(hidden + step) * direction).sum()
        behind = (remote(hidden - step) * direction).sum()
    assert hidden.grad is not None
    slope = float((hidden.grad * step).sum())
    assert float(ahead - behind) / 2 == pytest.approx(slope, rel=0.05, abs=5e-3)
