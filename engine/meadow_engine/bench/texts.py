"""Prompts to measure with, token ids [1, T]; the same every time."""

from __future__ import annotations

from typing import Any

import torch
from transformers import AutoTokenizer

from meadow_client.errors import UsageError
from meadow_engine.bench.generation import generate
from meadow_engine.bench.settings import DecodeSettings
from meadow_engine.bench.sides import Sides

QUOTATION = (
    "Here is a text: A meadow is a field of grass and flowers. Bees visit the flowers of the meadow, and birds nest in"
    " the grass of the meadow. Please repeat this text word by word: A meadow is a field of"
)
_SEED_TOKENS = 8


def random_prompt(vocabulary: int, tokens: int, seed: int = 0) -> torch.Tensor:
    """Random ids, without the first three, which often mean something."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(min(3, vocabulary - 1), vocabulary, (1, tokens), generator=generator)


def decode_prompt(sides: Sides, settings: DecodeSettings) -> torch.Tensor:
    """The prompt that `settings.text` asks for.

    `random` is random ids. `repetitive` is the model's own greedy text after a few random ids: that of a model with
    random weights soon goes round in circles, so what comes next stands in the text already. `prompt` is a question
    to a model that can answer one.

    Raises:
        UsageError: a question, but the model has no tokenizer.
    """
    vocabulary = sides.vocabulary
    match settings.text:
        case "repetitive":
            seed = random_prompt(vocabulary, _SEED_TOKENS)
            return generate(sides.local, seed, settings.prompt_tokens - _SEED_TOKENS)[0]
        case "prompt":
            return _ask(sides.description.source, settings.prompt or QUOTATION)
        case _:
            return random_prompt(vocabulary, settings.prompt_tokens)


def _ask(source: str, question: str) -> torch.Tensor:
    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(source)
    except (OSError, ValueError) as error:
        raise UsageError("This model has no tokenizer, so --text prompt cannot be said") from error
    if not getattr(tokenizer, "chat_template", None):
        return torch.as_tensor(tokenizer(question)["input_ids"])[None]
    messages = [{"role": "user", "content": question}]
    ids = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=True)["input_ids"]
    return torch.as_tensor(ids)[None]
