"""The caches of sessions: which kind a model needs, and how large one is.

A cache is one session's keys and values for each layer of the span. Room for them is taken in whole pages and by
`capacity_for`, so whoever counts memory knows beforehand what a session takes: `bytes_per_token` x B x capacity.

Shapes: B sequences, P tokens cached, T new tokens, C >= P tokens of capacity, H key/value heads, K head width.

    keys, values of a layer   [B, H, C, K]       written in place
    what an update gives      [B, H, P + T, K]   views of these

Threads: the compute thread only. How much all caches may take together is `pool.py`'s.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers import PreTrainedConfig
from transformers.cache_utils import Cache, CacheLayerMixin, DynamicCache

from meadow_client.errors import MeadowError
from meadow_client.wire.messages import CANNOT_GO_BACK

PAGE_TOKENS = 16


class CannotGoBackError(MeadowError):
    """A cache holds states that do not forget, so it cannot be rolled back."""

    code = CANNOT_GO_BACK

    def __init__(self) -> None:
        super().__init__("The states of these layers cannot forget a token")


_PLAIN_KINDS = {"full_attention", "sliding_attention", "chunked_attention"}


def capacity_for(needed_tokens: int, capacity_tokens: int) -> int:
    """For how many tokens a cache has room once it holds `needed_tokens`, if it had room for `capacity_tokens`.

    What must grow grows by a quarter at least, so that a long conversation is seldom copied.
    """
    if needed_tokens <= capacity_tokens:
        return capacity_tokens
    return _whole_pages(max(needed_tokens, capacity_tokens + capacity_tokens // 4))


def _whole_pages(tokens: int) -> int:
    return -(-tokens // PAGE_TOKENS) * PAGE_TOKENS


class SessionLayer(CacheLayerMixin):
    """One layer's keys and values, with room for more behind them."""

    is_sliding = False
    is_croppable = True
    keys: torch.Tensor
    values: torch.Tensor

    def __init__(self, capacity: int = 0) -> None:
        super().__init__()
        self.capacity = capacity
        self.length = 0

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        self.keys, self.values = self._room_like(key_states), self._room_like(value_states)
        self.is_initialized = True

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *_args: Any, **_kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Append [B, H, T, K] to what is there, and give views of everything, [B, H, P + T, K]."""
        tokens = key_states.shape[2]
        end = self.length + tokens
        self.grow_to(end)
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        self.keys.narrow(2, self.length, tokens).copy_(key_states)
        self.values.narrow(2, self.length, tokens).copy_(value_states)
        self.length = end
        return self.keys.narrow(2, 0, end), self.values.narrow(2, 0, end)

    def grow_to(self, tokens: int) -> None:
        """Make room for `tokens` tokens in total, by the rule of `capacity_for`."""
        capacity = capacity_for(tokens, self.capacity)
        if capacity == self.capacity:
            return
        self.capacity = capacity
        if self.is_initialized:
            self.keys, self.values = self._moved_to_room(self.keys), self._moved_to_room(self.values)

    def truncate(self, tokens: int) -> None:
        """Forget what lies behind the first `tokens` tokens; the room stays."""
        self.length = min(self.length, tokens)

    def crop(self, tokens_to_remove: int) -> None:
        """Remove so many tokens if negative, keep so many if positive, as Transformers' caches do or did."""
        if tokens_to_remove:
            self.truncate(tokens_to_remove if tokens_to_remove > 0 else max(0, self.length + tokens_to_remove))

    def move_to(self, device: torch.device) -> None:
        """Move to another device, taking along no more pages than are in use."""
        used = _whole_pages(self.length)
        if self.is_initialized and (used < self.capacity or self.keys.device != device):
            self.capacity = used
            self.keys, self.values = (
                kept.narrow(2, 0, used).to(device, copy=True, memory_format=torch.contiguous_format)
                for kept in (self.keys, self.values)
            )

    def read(self, first: int, end: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Copies on the CPU of tokens [first, end), [B, H, T, K]."""
        keys, values = (kept.narrow(2, first, end - first) for kept in (self.keys, self.values))
        return keys.to("cpu", copy=True), values.to("cpu", copy=True)

    def write(self, position: int, keys: torch.Tensor, values: torch.Tensor) -> None:
        """Put tokens that another cache held at `position`; what lies behind is forgotten."""
        end = position + keys.shape[2]
        self.grow_to(end)
        if not self.is_initialized:
            self.lazy_initialization(keys, values)
        self.keys.narrow(2, position, keys.shape[2]).copy_(keys)
        self.values.narrow(2, position, keys.shape[2]).copy_(values)
        self.length = end

    def reset(self) -> None:
        self.length = 0

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self.length + query_length, 0

    def get_seq_length(self) -> int:
        return self.length

    def get_max_length(self) -> int:
        return -1

    get_max_cache_shape = get_max_length

    def _room_like(self, states: torch.Tensor) -> torch.Tensor:
        batch, heads, _tokens, width = states.shape
        return states.new_empty((batch, heads, self.capacity, width))

    def _moved_to_room(self, kept: torch.Tensor) -> torch.Tensor:
        room = self._room_like(kept)
        room.narrow(2, 0, self.length).copy_(kept.narrow(2, 0, self.length))
        return room


class SessionCache(Cache):
    """One session's keys and values; between passes all its layers have the same length and capacity."""

    def __init__(self) -> None:
        super().__init__(layers=[])
        self.layers: list[SessionLayer] = []
        self._first_capacity = 0

    @property
    def capacity(self) -> int:
        """For how many tokens of each of its sequences there is room."""
        return self.layers[0].capacity if self.layers else self._first_capacity

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, layer_idx: int, *_args: Any, **_kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        return self.layer(layer_idx).update(key_states, value_states)

    def shapes(self) -> list[tuple[int, int, int]]:
        """H, and the width K of keys and of values, of every layer."""
        return [(layer.keys.shape[1], layer.keys.shape[3], layer.values.shape[3]) for layer in self.layers]

    def layer(self, index: int) -> SessionLayer:
        """One layer's part, made if it is not there yet."""
        while len(self.layers) <= index:
            self.layers.append(SessionLayer(self._first_capacity))
        return self.layers[index]

    def grow_to(self, tokens: int) -> None:
        """Make room ahead; of a cache that has seen nothing the wish is remembered, as nobody knows its shapes."""
        if not self.layers:
            self._first_capacity = capacity_for(tokens, self._first_capacity)
        for layer in self.layers:
            layer.grow_to(tokens)

    def truncate(self, tokens: int) -> None:
        """Forget what lies behind the first `tokens` tokens, also where a pass broke off between two layers."""
        for layer in self.layers:
            layer.truncate(tokens)

    def move_to(self, device: torch.device) -> None:
        """Move to another device, taking along no more pages than are in use."""
        for layer in self.layers:
            layer.move_to(device)


class StatesCache(DynamicCache):
    """Transformers' own cache for other kinds of layers, which knows its length also where none of them does."""

    seen = 0

    def get_seq_length(self, layer_idx: int = 0) -> int:
        return int(super().get_seq_length(layer_idx)) if self._counts_itself else self.seen

    def get_mask_sizes(self, query_length: int, layer_idx: int) -> tuple[int, int]:
        if self._counts_itself:
            sizes: tuple[int, int] = super().get_mask_sizes(query_length, layer_idx)
            return sizes
        return self.seen + query_length, 0

    @property
    def _counts_itself(self) -> bool:
        return any(isinstance(layer, CacheLayerMixin) for layer in self.layers)


def new_cache(config: PreTrainedConfig) -> Cache:
    """An empty cache for a span with this (cut) config.

    Layers with plain attention keep all keys, also where a window slides: masks hide what is outside the window, and
    a session can be rolled back by any number of tokens. Other kinds of layers need the cache their config asks for.
    """
    kinds = getattr(config, "layer_types", None)
    if kinds is None or set(kinds) <= _PLAIN_KINDS:
        return SessionCache()
    return StatesCache(config=config)


def move_cache(cache: Cache, device: torch.device) -> None:
    """Move all that a cache holds to another device."""
    if isinstance(cache, SessionCache):
        cache.move_to(device)
        return
    for layer in cache.layers:
        for name, value in vars(layer).items():
            if isinstance(value, torch.Tensor):
                setattr(layer, name, value.to(device))
            elif isinstance(value, dict):
                moved = {
                    key: item.to(device) if isinstance(item, torch.Tensor) else item for key, item in value.items()
                }
                setattr(layer, name, moved)
        if hasattr(layer, "device"):
            layer.device = device


def measure_bytes(cache: Cache) -> int:
    """How much memory a cache takes now."""
    total = 0
    for layer in cache.layers:
        for value in vars(layer).values():
            for tensor in value.values() if isinstance(value, dict) else (value,):
                if isinstance(tensor, torch.Tensor):
                    total += tensor.nbytes
    return total
