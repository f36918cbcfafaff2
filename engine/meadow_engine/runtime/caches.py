"""The caches of sessions: which kind a model needs, how large one is, how much all may take.

A cache is one session's keys and values, [B, H, P, K] for each layer of the span; it grows by
`bytes_per_token` x B with every token. Only the compute thread touches caches; the budget belongs to the event loop.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from transformers import PreTrainedConfig
from transformers.cache_utils import Cache, DynamicCache

from meadow_client.errors import MeadowError

_PLAIN_KINDS = {"full_attention", "sliding_attention", "chunked_attention"}


class ServerFullError(MeadowError):
    code = "server-full"


def new_cache(config: PreTrainedConfig) -> Cache:
    """An empty cache for a span with this (cut) config.

    Layers with plain attention keep all keys, also where a window slides: masks hide what is outside the window, and
    a session can be rolled back by any number of tokens. Other kinds of layers need the cache their config asks for.
    """
    kinds = getattr(config, "layer_types", None)
    if kinds is None or set(kinds) <= _PLAIN_KINDS:
        return DynamicCache()
    return DynamicCache(config=config)


def measure_bytes(cache: Cache) -> int:
    """How much memory a cache takes now."""
    total = 0
    for layer in cache.layers:
        for value in vars(layer).values():
            if isinstance(value, torch.Tensor):
                total += value.nbytes
    return total


@dataclass
class Reservation:
    """One session's part of the budget."""

    budget: CacheBudget
    tokens: int = 0

    def grow_to(self, tokens: int) -> None:
        """Make room for `tokens` tokens (over all sequences) in total; never gives back.

        Raises:
            ServerFullError: all sessions together would take more than the budget.
        """
        extra = tokens - self.tokens
        if extra > 0:
            self.budget.take(extra)
            self.tokens = tokens


class CacheBudget:
    """Bounds the memory of all sessions' caches together."""

    def __init__(self, limit_bytes: int, bytes_per_token: int) -> None:
        self._limit_tokens = limit_bytes // max(1, bytes_per_token)
        self.used_tokens = 0

    @contextmanager
    def reserve(self) -> Iterator[Reservation]:
        """A part of the budget that is given back when the block ends."""
        reservation = Reservation(self)
        try:
            yield reservation
        finally:
            self.used_tokens -= reservation.tokens

    def take(self, tokens: int) -> None:
        if self.used_tokens + tokens > self._limit_tokens:
            raise ServerFullError("This computer has no memory left for more conversations")
        self.used_tokens += tokens
