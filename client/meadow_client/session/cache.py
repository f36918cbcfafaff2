"""Transformers' cache, as `generate` sees it, whose content lies on the servers of a session."""

from __future__ import annotations

from typing import Any

import torch
from transformers.cache_utils import Cache, CacheLayerMixin

from meadow_client.session.inference import InferenceSession


class RemoteCacheLayer(CacheLayerMixin):
    """Answers questions about lengths; keys and values never come here."""

    is_croppable = True

    def __init__(self, session: InferenceSession) -> None:
        super().__init__()
        self._session = session

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        raise RuntimeError("a remote cache holds no keys")

    def update(self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("a remote cache holds no keys")

    def get_seq_length(self) -> int:
        return self._session.position

    def get_max_length(self) -> int:
        return -1

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self._session.position + query_length, 0

    def crop(self, tokens: int) -> None:
        """Remove `-tokens` tokens; older releases of Transformers give the length to keep, a positive number."""
        position = self._session.position
        self._session.position = min(position, tokens) if tokens > 0 else max(0, position + tokens)

    def reorder_cache(self, beam_idx: torch.LongTensor) -> None:
        self._session.reorder(beam_idx)


class RemoteCache(Cache):
    """One session's cache. Give it as `past_key_values` to a distributed model."""

    def __init__(self, session: InferenceSession) -> None:
        super().__init__(layers=[RemoteCacheLayer(session)])
        self.session = session

    def crop(self, tokens: int) -> None:
        self.layers[0].crop(tokens)

    def activate_past_recording(self) -> None:
        """Servers keep all keys, so there is nothing to record for a later roll-back."""

    def reset(self) -> None:
        self.session.position = 0
