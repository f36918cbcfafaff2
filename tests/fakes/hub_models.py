"""A model of three weight files for `hub_server.py`: only two of them are needed for chatting."""

from __future__ import annotations

import json
import random

from fakes.hub_server import HubModel

MODEL = "people/model"
MIB = 1024 * 1024
EMBEDDINGS, LAYERS, HEAD = (f"model-0000{number}-of-00003.safetensors" for number in (1, 2, 3))


def model_in_parts() -> HubModel:
    """Files whose bytes are all different, so that one in a wrong place is noticed."""
    content = random.Random(7).randbytes
    weight_map = {
        "model.embed_tokens.weight": EMBEDDINGS,
        "model.layers.0.mlp.weight": LAYERS,
        "model.layers.1.mlp.weight": LAYERS,
        "model.norm.weight": HEAD,
        "lm_head.weight": HEAD,
    }
    return HubModel(
        {
            "README.md": b"# A model",
            "config.json": b'{"model_type": "llama"}',
            "tokenizer.json": content(40_000),
            "tokenizer_config.json": b"{}",
            "model.safetensors.index.json": json.dumps({"weight_map": weight_map}).encode(),
            "pytorch_model.bin": content(50_000),
            EMBEDDINGS: content(5 * MIB + 77),
            LAYERS: content(3 * MIB),
            HEAD: content(70_000),
        }
    )


NEEDED = (
    "config.json",
    HEAD,
    EMBEDDINGS,
    "model.safetensors.index.json",
    "tokenizer.json",
    "tokenizer_config.json",
)
"""What chatting needs of it, in no special order."""
