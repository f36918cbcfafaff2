"""Attention for one pass over many sessions, through Transformers' attention and mask interfaces.

In a packed pass the tokens of all parts lie in one row, so a model's linear layers read their weights once. Only
attention must tell the parts apart: `PackedPass` stands in for the model's cache and hands each part's keys and
values to that part's own cache, `MaskRule` stands in for the model's mask and says what each part may see.

Shapes: N tokens of all parts, B sequences and T new tokens of one part, P tokens that it has cached, D model width,
H heads (fewer for keys and values where queries share them), K head width, S keys that are looked at, S <= P + T.

    query, key, value  [1, H, N, K]        from the model
    rows of a part     [B, H, T, K]        views of these
    mask of a part     [B or 1, 1, T, S]   bool, true is visible; None where nothing is hidden

Threads: the compute thread only. Nothing here waits for the device.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.cache_utils import Cache

from meadow_client.errors import MeadowError

NAME = "meadow_packed"
# Scores that are held at once, in float32, where attention is written out.
_MOST_SCORES = 1 << 26
# What attention functions are told besides, and what makes no difference to ours.
_IDLE_ARGUMENTS = {"sliding_window", "position_ids", "cache_position", "use_cache", "return_dict"}

MaskFunction = Callable[..., torch.Tensor]


class PackingRefusedError(MeadowError):
    code = "packing-refused"


@dataclass(frozen=True)
class Part:
    """One session's share of a packed pass; its cache holds exactly `position` tokens, and takes the new ones."""

    cache: Cache
    hidden: torch.Tensor
    position: int
    position_ids: torch.Tensor | None = None
    attention_mask: torch.Tensor | None = None


class PackedPass(Cache):
    """The cache of one packed pass, as the model sees it: empty, and given back what it is given."""

    def __init__(self, parts: Sequence[Part], known_rules: dict[int | None, bool]) -> None:
        super().__init__(layers=[])
        self.parts = parts
        self.known_rules = known_rules
        self._places: list[tuple[int, int, int]] = []
        start = 0
        for part in parts:
            batch, tokens, _width = part.hidden.shape
            self._places.append((start, batch, tokens))
            start += batch * tokens
        self._is_whole = len(parts) == 1 and self._places[0][1] == 1
        self._offered: tuple[torch.Tensor | None, torch.Tensor | None] = (None, None)
        self._taken: list[tuple[torch.Tensor, torch.Tensor]] = []

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, layer_idx: int, *_args: Any, **_kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Put each part's new keys and values [1, H, N, K] into its own cache."""
        self._offered = (key_states, value_states)
        self._taken = [
            part.cache.update(self.rows(key_states, index), self.rows(value_states, index), layer_idx)
            for index, part in enumerate(self.parts)
        ]
        return key_states, value_states

    def take(self, key: torch.Tensor, value: torch.Tensor) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Each part's keys and values [B, H, P + T, K] of the layer that was just updated.

        Raises:
            PackingRefusedError: the model attends to something else than what it put into the cache.
        """
        if self._offered[0] is not key or self._offered[1] is not value:
            raise PackingRefusedError("This model changes keys and values after it has cached them")
        taken, self._taken, self._offered = self._taken, [], (None, None)
        return taken

    def rows(self, states: torch.Tensor, index: int) -> torch.Tensor:
        """One part's view [B, H, T, K] of states [1, H, N, K]."""
        if self._is_whole:
            return states
        start, batch, tokens = self._places[index]
        piece = states.narrow(2, start, batch * tokens)
        if batch == 1:
            return piece
        return piece.view(states.shape[1], batch, tokens, states.shape[3]).transpose(0, 1)

    def split(self, output: torch.Tensor) -> list[torch.Tensor]:
        """The parts [B, T, D] of an output [1, N, D]."""
        if self._is_whole:
            return [output]
        width = output.shape[-1]
        return [
            output.narrow(1, start, batch * tokens).reshape(batch, tokens, width)
            for start, batch, tokens in self._places
        ]


_current: ContextVar[PackedPass | None] = ContextVar("meadow_packed_pass", default=None)


@contextmanager
def passing(current: PackedPass) -> Iterator[None]:
    """Within this block attention belongs to this packed pass."""
    token = _current.set(current)
    try:
        yield
    finally:
        _current.reset(token)


def register() -> None:
    """Make the packed attention known to Transformers as `NAME`; may be called again."""
    AttentionInterface.register(NAME, attend)
    AttentionMaskInterface.register(NAME, make_rule)


class MaskRule:
    """What one kind of layers may see in one packed pass; each part's mask is made once."""

    def __init__(self, current: PackedPass, function: MaskFunction, window: int | None, may_be_plain: bool) -> None:
        self._parts = current.parts
        self._function = function
        if may_be_plain and window not in current.known_rules:
            current.known_rules[window] = _is_plain(function, window)
        self._plain = may_be_plain and current.known_rules[window]
        self._window = window if self._plain else None
        self._made: list[tuple[int, torch.Tensor | None] | None] = [None] * len(self._parts)

    def of(self, index: int) -> tuple[int, torch.Tensor | None]:
        """The first key that matters to a part, and the mask from there on; no mask means plainly causal."""
        made = self._made[index]
        if made is None:
            made = self._made[index] = self._make(self._parts[index])
        return made

    def _make(self, part: Part) -> tuple[int, torch.Tensor | None]:
        batch, tokens, _width = part.hidden.shape
        end = part.position + tokens
        first = 0 if self._window is None else max(0, part.position + 1 - self._window)
        if self._plain and part.attention_mask is None:
            all_in_window = self._window is None or end <= self._window
            if tokens == 1 or (part.position == 0 and all_in_window):
                return first, None
        device = part.hidden.device
        visible = self._function(
            torch.arange(batch, device=device)[:, None, None, None],
            torch.zeros((1, 1, 1, 1), dtype=torch.int64, device=device),
            torch.arange(part.position, end, device=device)[None, None, :, None],
            torch.arange(first, end, device=device)[None, None, None, :],
        )
        if part.attention_mask is not None:
            visible = visible & part.attention_mask[:, None, None, first:end]
            # A row that sees nothing is padding: what it sees is of no account, but it must see something.
            visible = visible | ~visible.any(dim=-1, keepdim=True)
        return first, visible.expand(-1, -1, tokens, end - first)


def _is_plain(function: MaskFunction, window: int | None) -> bool:
    """Whether a token sees exactly the `window` last ones, or all, up to itself."""
    reach = window or 4
    query, keys = 2 * reach, torch.arange(2 * reach + 2)[None, None, None, :]
    nought = torch.zeros((1, 1, 1, 1), dtype=torch.int64)
    expected = keys <= query
    if window is not None:
        expected &= keys > query - window
    return torch.equal(function(nought, nought, nought + query, keys).expand_as(keys), expected)


def make_rule(
    *,
    mask_function: MaskFunction,
    attention_mask: torch.Tensor | None = None,
    allow_is_causal_skip: bool = True,
    local_size: int | None = None,
    use_vmap: bool = False,
    **_others: Any,
) -> MaskRule:
    """What Transformers calls to make a mask: keeps the model's rule, to be looked up part by part."""
    current = _current.get()
    if current is None or attention_mask is not None or use_vmap:
        raise PackingRefusedError("This model's mask cannot be taken apart")
    return MaskRule(current, mask_function, local_size, allow_is_causal_skip)


def attend(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: MaskRule | torch.Tensor | None,
    scaling: float | None = None,
    softcap: float | None = None,
    s_aux: torch.Tensor | None = None,
    **others: Any,
) -> tuple[torch.Tensor, None]:
    """What Transformers calls to attend: gives [1, N, H, K], each part by itself.

    Raises:
        PackingRefusedError: the model asks for something that this attention does not know.
    """
    current = _current.get()
    if current is None or not isinstance(attention_mask, MaskRule):
        raise PackingRefusedError("This model attends without a mask of ours")
    for name, setting in others.items():
        if name not in _IDLE_ARGUMENTS and setting is not None and (isinstance(setting, torch.Tensor) or setting):
            raise PackingRefusedError(f"This model's attention takes {name}")
    outputs = []
    for index, (keys, values) in enumerate(current.take(key, value)):
        first, mask = attention_mask.of(index)
        if first:
            keys, values = keys[:, :, first:], values[:, :, first:]
        rows = current.rows(query, index)
        if softcap is None and s_aux is None:
            output, _ = _SDPA(module, rows, keys, values, mask, scaling=scaling, is_causal=True)
        else:
            output = _attend_in_full(rows, keys, values, mask, scaling, softcap, s_aux)
        outputs.append(output if output.shape[0] == 1 else output.flatten(0, 1).unsqueeze(0))
    return outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=1), None


_SDPA: Callable[..., tuple[torch.Tensor, None]] = AttentionInterface()["sdpa"]


def _attend_in_full(
    query: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    mask: torch.Tensor | None,
    scaling: float | None,
    softcap: float | None,
    sinks: torch.Tensor | None,
) -> torch.Tensor:
    """Attention with capped scores, or with sinks [H] that draw weight away; gives [B, T, H, K].

    Long prompts go by a few rows at a time, so that their scores fit in memory.
    """
    batch, heads, tokens, width = query.shape
    shared, count = keys.shape[1], keys.shape[2]
    if mask is None and tokens > 1:
        mask = torch.ones((tokens, count), dtype=torch.bool, device=query.device).tril(count - tokens)[None, None]
    grouped = query.reshape(batch, shared, heads // shared, tokens, width)
    across, values = keys.unsqueeze(2).transpose(3, 4), values.unsqueeze(2)
    outputs = []
    for rows in range(0, tokens, step := max(1, _MOST_SCORES // (batch * heads * count))):
        scores = (grouped[..., rows : rows + step, :] @ across).float() * (width**-0.5 if scaling is None else scaling)
        if softcap is not None:
            scores = torch.tanh(scores / softcap) * softcap
        if mask is not None:
            scores = scores.masked_fill(~mask[:, :, None, rows : rows + step], float("-inf"))
        if sinks is not None:
            column = sinks.float().reshape(1, shared, -1, 1, 1).expand(batch, -1, -1, scores.shape[3], 1)
            weights = torch.cat([scores, column], dim=-1).softmax(dim=-1)[..., :-1]
        else:
            weights = scores.softmax(dim=-1)
        outputs.append(weights.to(values.dtype) @ values)
    output = outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=3)
    return output.flatten(1, 2).transpose(1, 2)
