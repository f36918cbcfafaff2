"""A second model that can chat, for swarms of two: it knows the demo model's tokens, and speaks nonsense."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from meadow_assets import demo_model_path

LAYERS = 3


def write_nonsense_model(folder: Path) -> Path:
    """Write a model of LAYERS layers in float32, with the demo's tokenizer, into `folder` and return it."""
    config = AutoConfig.from_pretrained(demo_model_path())
    config.num_hidden_layers = LAYERS
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
        for parameter in model.parameters():
            if parameter.ndim > 1:
                torch.nn.init.normal_(parameter, std=0.2)
    model.save_pretrained(folder)
    for pattern in ("*token*", "*.jinja"):
        for file in demo_model_path().glob(pattern):
            shutil.copy(file, folder)
    return folder


def told_alone(folder: Path, conversation: Sequence[dict[str, str]], tokens: int) -> str:
    """What Transformers alone lets a model answer, always with the likeliest token."""
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModelForCausalLM.from_pretrained(folder)
    asked = tokenizer.apply_chat_template(
        list(conversation), add_generation_prompt=True, return_dict=True, return_tensors="pt"
    )
    ids = model.generate(**asked, do_sample=False, max_new_tokens=tokens)[0, asked["input_ids"].shape[1] :]
    return str(tokenizer.decode(ids, skip_special_tokens=True))
