"""Answers of a given length through a session, for tests that do something meanwhile."""

from __future__ import annotations

from typing import Any

import torch
from transformers.generation.streamers import BaseStreamer


def generate(
    model: Any, ids: torch.Tensor, session: Any, tokens: int, streamer: BaseStreamer | None = None
) -> torch.Tensor:
    """Exactly so many tokens, always the likeliest: [1, P + tokens] from ids [1, P]."""
    text: torch.Tensor = model.generate(
        ids,
        max_new_tokens=tokens,
        min_new_tokens=tokens,
        do_sample=False,
        pad_token_id=0,
        session=session,
        streamer=streamer,
    )
    return text
