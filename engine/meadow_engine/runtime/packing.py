"""One pass over a span's weights for the waiting steps of many sessions.

Decode steps and chunks of prompts of all lengths are laid in one row and run through the base model's own `forward`;
how attention then tells them apart is told in `packed_attention.py`. Whether an architecture can be run so is not
looked up by its name but tried: `agrees` compares a packed pass with separate ones before any session depends on it.

Shapes: B sequences, T new tokens, P tokens already cached, D model width, each of one part; N tokens of all parts.

    hidden of a part   [B, T, D]     the span's dtype and device, in and out
    position_ids       [B, T]        int64; None counts on from P
    attention_mask     [B, P + T]    bool, false is padding; None where nothing is
    the packed row     [1, N, D]

Threads: the compute thread only.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, Protocol

import torch
from torch import nn
from transformers import PreTrainedConfig
from transformers.cache_utils import Cache

from meadow_client.models.cutting import Gates
from meadow_engine.runtime.packed_attention import NAME, PackedPass, PackingRefusedError, Part, passing, register

__all__ = ["NAME", "PackedModel", "PackingRefusedError", "Part", "agrees", "may_pack"]

logger = logging.getLogger(__name__)

_KINDS = {"full_attention", "sliding_attention"}
_TOLERANCE = {torch.float64: 1e-6, torch.float32: 1e-3, torch.float16: 2e-2, torch.bfloat16: 5e-2}


class PackedModel:
    """A base model whose config asks for the packed attention. Its `layers` are where hidden states come and go."""

    def __init__(self, base: nn.Module, layers: nn.ModuleList) -> None:
        register()
        self._base = base
        self._gates = Gates(layers)
        self._known_rules: dict[int | None, bool] = {}

    def run(self, parts: Sequence[Part]) -> list[torch.Tensor]:
        """Continue all these sessions, giving [B, T, D] for each; every cache must be another one.

        Raises:
            PackingRefusedError: the model does something that a packed pass cannot do.
        """
        current = PackedPass(parts, self._known_rules)
        if len(parts) == 1 and parts[0].hidden.shape[0] == 1:
            hidden = parts[0].hidden
        else:
            hidden = torch.cat([part.hidden.flatten(0, 1) for part in parts]).unsqueeze(0)
        with passing(current), self._gates.passing(hidden) as gates:
            self._base(inputs_embeds=hidden, position_ids=_positions(parts), past_key_values=current, use_cache=True)
            return current.split(gates.output)


def _positions(parts: Sequence[Part]) -> torch.Tensor:
    """Where all tokens stand [1, N], made on the host where nobody says otherwise."""
    device = parts[0].hidden.device
    if len(parts) == 1 and parts[0].hidden.shape[0] == 1:
        only = parts[0]
        if only.position_ids is not None:
            return only.position_ids
        return torch.arange(only.position, only.position + only.hidden.shape[1], device=device).unsqueeze(0)
    if all(part.position_ids is None for part in parts):
        counted = list(chain.from_iterable(_counted(part) for part in parts))
        return torch.tensor([counted]).to(device, non_blocking=True)
    rows = [
        torch.tensor(list(_counted(part))).to(device, non_blocking=True)
        if part.position_ids is None
        else part.position_ids.expand(part.hidden.shape[0], -1).flatten()
        for part in parts
    ]
    return torch.cat(rows).unsqueeze(0)


def _counted(part: Part) -> Iterator[int]:
    batch, tokens, _width = part.hidden.shape
    return chain.from_iterable(range(part.position, part.position + tokens) for _row in range(batch))


def may_pack(base: nn.Module, config: PreTrainedConfig) -> bool:
    """Whether it is worth trying: attention through the interface, and no state but keys and values of positions.

    Rotary embeddings that change with the longest position of a pass would let one session disturb another.
    """
    kinds = set(getattr(config, "layer_types", None) or ())
    rotary = set(_rope_types(getattr(config, "rope_parameters", None)))
    return (
        bool(getattr(base, "_supports_attention_backend", False))
        and "position_ids" in inspect.signature(base.forward).parameters
        and kinds <= _KINDS
        and not any("dynamic" in kind or kind == "longrope" for kind in rotary)
    )


def _rope_types(settings: Any) -> Iterator[str]:
    """Every `rope_type` in a config's rotary settings, which may be given for each kind of layer."""
    if isinstance(settings, Mapping):
        if isinstance(kind := settings.get("rope_type"), str):
            yield kind
        for value in settings.values():
            yield from _rope_types(value)


class Steps(Protocol):
    """What the comparison needs of a span's view: the plain way and the packed way."""

    def new_cache(self) -> Cache: ...

    def step(
        self,
        hidden: torch.Tensor,
        cache: Cache,
        position: int,
        position_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
    ) -> torch.Tensor: ...

    def step_together(self, parts: Sequence[Part]) -> list[torch.Tensor]: ...


def agrees(view: Steps, config: PreTrainedConfig, dtype: torch.dtype, device: torch.device) -> bool:
    """Whether packed passes give what separate ones give, tried with three small sessions of two passes each.

    One stands far on in a text, one is a batch of which a row is padded on the left, one comes in two chunks.
    """
    generator = torch.Generator().manual_seed(0)

    def noise(batch: int, tokens: int) -> torch.Tensor:
        return torch.randn(batch, tokens, config.hidden_size, generator=generator).to(device, dtype)

    far = max(0, (getattr(config, "max_position_embeddings", None) or 512) - 16)
    mask = torch.tensor([[False, False, True, True, True], [True] * 5], device=device)
    places = torch.tensor([[0, 0, 0, 1, 2], [0, 1, 2, 3, 4]], device=device)
    distant = torch.arange(far, far + 6, device=device)[None]
    rounds: list[list[tuple[torch.Tensor, int, torch.Tensor | None, torch.Tensor | None]]] = [
        [
            (noise(1, 5), 0, distant[:, :5], None),
            (noise(2, 4), 0, places[:, :4], mask[:, :4]),
            (noise(1, 4), 0, None, None),
        ],
        [(noise(1, 1), 5, distant[:, 5:], None), (noise(2, 1), 4, places[:, 4:], mask), (noise(1, 3), 4, None, None)],
    ]
    together, apart = ([view.new_cache() for _session in range(3)] for _way in range(2))
    worst = torch.zeros((), device=device)
    try:
        for steps in rounds:
            parts = [Part(cache, *step) for cache, step in zip(together, steps, strict=True)]
            packed = view.step_together(parts)
            for part, own_cache, ours in zip(parts, apart, packed, strict=True):
                theirs = view.step(part.hidden, own_cache, part.position, part.position_ids, part.attention_mask)
                if part.attention_mask is not None:
                    real = part.attention_mask[:, part.position :, None]
                    ours, theirs = ours.masked_fill(~real, 0), theirs.masked_fill(~real, 0)
                theirs = theirs.float()
                worst = torch.maximum(worst, (ours.float() - theirs).norm() / theirs.norm())
    except Exception as error:  # noqa: BLE001 - whatever a model does that we did not foresee
        logger.info("Sessions run one at a time: a packed pass fails with %s", type(error).__name__)
        return False
    # Not a number is no agreement.
    if not float(worst) <= _TOLERANCE.get(dtype, 0.0):
        logger.info("Sessions run one at a time: a packed pass is off by %.1e", float(worst))
        return False
    return True
