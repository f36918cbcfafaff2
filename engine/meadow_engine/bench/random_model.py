"""Random models of a chosen size, for measuring. They speak nonsense."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import LlamaConfig, LlamaForCausalLM


def write_random_llama(folder: Path, layers: int, hidden: int, vocabulary: int, seed: int) -> None:
    """Write a Llama with random float32 weights: heads of 64, a feed-forward of 11/4 the width, no end token."""
    config = LlamaConfig(
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=max(1, hidden // 64),
        num_key_value_heads=max(1, hidden // 64),
        intermediate_size=hidden * 11 // 4,
        vocab_size=vocabulary,
        max_position_embeddings=8192,
        tie_word_embeddings=False,
        eos_token_id=None,
    )
    torch.manual_seed(seed)
    LlamaForCausalLM(config).save_pretrained(folder)
