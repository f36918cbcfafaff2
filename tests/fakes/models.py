"""Tiny models with random weights, one for each architecture that the tests care for.

They are written by Transformers' own `save_pretrained`, in float32, 64 wide, with 128 token ids. Weights are large
enough that greedy text does not repeat one token for ever; biases and norms are random, too, so that none can be
forgotten unnoticed. They speak nonsense and have no tokenizer.

Of the families whose embedding is their head, falcon and gpt2 keep it so. In bloom, gemma3 and opt random weights would
then say the same token again and again, so there the two are apart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from transformers import (
    AutoModelForCausalLM,
    BloomConfig,
    FalconConfig,
    Gemma3TextConfig,
    GPT2Config,
    GptOssConfig,
    GraniteConfig,
    LlamaConfig,
    MixtralConfig,
    OPTConfig,
    PreTrainedConfig,
    Qwen3Config,
    Qwen3NextConfig,
)

HIDDEN = 64
VOCABULARY = 128
POSITIONS = 512

FAMILIES: tuple[str, ...] = (
    "llama",
    "qwen3",
    "mixtral",
    "gemma3",
    "bloom",
    "falcon",
    "gpt_oss",
    # What these add: position embeddings before the layers (gpt2, opt), a multiplied embedding (granite).
    "gpt2",
    "opt",
    "granite",
)
OTHER_FAMILIES: tuple[str, ...] = ("qwen3_next",)
"""Those with layers whose states do not forget."""

_WEIGHT_STD = 0.2
_VECTOR_STD = 0.1


def write_tiny_model(folder: Path, family: str, *, seed: int = 0, layers: int = 6) -> Path:
    """Write config.json and model.safetensors into `folder` and return it.

    The same arguments give the same weights. `family` is one of `FAMILIES` or `OTHER_FAMILIES`.
    """
    config = tiny_config(family, layers)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
        for parameter in model.parameters():
            if parameter.ndim > 1:
                torch.nn.init.normal_(parameter, std=_WEIGHT_STD)
            else:
                parameter.data += _VECTOR_STD * torch.randn_like(parameter)
    model.save_pretrained(folder)
    return folder


def tiny_config(family: str, layers: int = 6) -> PreTrainedConfig:
    """The config of a tiny model; no token begins or ends its text."""
    config = _CONFIGS[family](layers)
    config.bos_token_id = config.eos_token_id = None
    return config


def _common(layers: int) -> dict[str, int]:
    return {
        "hidden_size": HIDDEN,
        "num_hidden_layers": layers,
        "num_attention_heads": 4,
        "vocab_size": VOCABULARY,
    }


def _grouped(layers: int) -> dict[str, int]:
    return {
        **_common(layers),
        "num_key_value_heads": 2,
        "intermediate_size": 96,
        "head_dim": 16,
        "max_position_embeddings": POSITIONS,
    }


def _alternating(layers: int) -> list[str]:
    return ["full_attention" if index % 2 else "sliding_attention" for index in range(layers)]


_CONFIGS: Mapping[str, Callable[[int], PreTrainedConfig]] = {
    "llama": lambda layers: LlamaConfig(**_grouped(layers)),
    "qwen3": lambda layers: Qwen3Config(**_grouped(layers)),
    "mixtral": lambda layers: MixtralConfig(**_grouped(layers), num_local_experts=4, num_experts_per_tok=2),
    "gemma3": lambda layers: Gemma3TextConfig(
        **_grouped(layers), sliding_window=16, layer_types=_alternating(layers), tie_word_embeddings=False
    ),
    "bloom": lambda layers: BloomConfig(
        hidden_size=HIDDEN, n_layer=layers, n_head=4, vocab_size=VOCABULARY, tie_word_embeddings=False
    ),
    "falcon": lambda layers: FalconConfig(**_common(layers), max_position_embeddings=POSITIONS),
    "gpt_oss": lambda layers: GptOssConfig(
        **_grouped(layers),
        num_local_experts=4,
        num_experts_per_tok=2,
        sliding_window=16,
        layer_types=_alternating(layers),
        rope_parameters={
            "rope_type": "yarn",
            "rope_theta": 150000.0,
            "factor": 32.0,
            "original_max_position_embeddings": POSITIONS // 32,
        },
    ),
    "qwen3_next": lambda layers: Qwen3NextConfig(
        **_grouped(layers),
        layer_types=["full_attention" if index % 2 else "linear_attention" for index in range(layers)],
        linear_num_key_heads=2,
        linear_num_value_heads=4,
        linear_key_head_dim=16,
        linear_value_head_dim=16,
        num_experts=4,
        num_experts_per_tok=2,
        moe_intermediate_size=32,
        shared_expert_intermediate_size=32,
    ),
    "gpt2": lambda layers: GPT2Config(
        n_embd=HIDDEN, n_layer=layers, n_head=4, vocab_size=VOCABULARY, n_positions=POSITIONS
    ),
    "opt": lambda layers: OPTConfig(
        **_common(layers),
        ffn_dim=96,
        max_position_embeddings=POSITIONS,
        word_embed_proj_dim=HIDDEN,
        tie_word_embeddings=False,
    ),
    "granite": lambda layers: GraniteConfig(
        **_common(layers),
        num_key_value_heads=2,
        intermediate_size=96,
        max_position_embeddings=POSITIONS,
        embedding_multiplier=3.0,
        logits_scaling=2.0,
        residual_multiplier=0.5,
    ),
}
