"""Whole texts through the layers without a cache, and gradients back to what went in, beside local layers.

Ours is `model.remote` on hidden states [B, T, D]. The local side is Transformers' base model from `inputs_embeds` to
its last hidden state, that is the layers and the final norm, with as many threads as all servers of the chain together.
No weight takes a gradient on either side.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch

from meadow_engine.bench.report import Measured, ratios, spread
from meadow_engine.bench.settings import ForwardSettings
from meadow_engine.bench.sides import Sides, torch_threads


def measure_forward(sides: Sides, settings: ForwardSettings) -> Measured:
    """Blocks; on a thread of its own."""
    hops = sides.find_hops()
    shape = (settings.batch, settings.tokens, sides.description.width)
    hidden = torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(sides.ours.dtype)

    def layers_of(model: Any) -> Callable[[torch.Tensor], torch.Tensor]:
        return lambda value: model.base_model(inputs_embeds=value, use_cache=False)[0]

    with torch_threads(sides.all_threads), torch.no_grad():  # also warms up
        expected = layers_of(sides.local)(hidden)
        difference = (layers_of(sides.ours)(hidden) - expected).abs().max() / expected.abs().max()
    ours: dict[str, list[float]] = {"forward": [], "both": []}
    local: dict[str, list[float]] = {"forward": [], "both": []}
    work = settings.batch * settings.tokens
    for run in range(-1, settings.runs):
        for side, layers in ((local, layers_of(sides.local)), (ours, sides.ours.remote)):
            threads = sides.all_threads if side is local else settings.threads
            with torch_threads(threads):
                forward_s, both_s = _forward(layers, hidden), _forward_and_backward(layers, hidden)
            if run >= 0:
                side["forward"].append(work / forward_s)
                side["both"].append(work / both_s)
    return Measured(
        {
            "tokens_per_second": spread(ours["forward"]),
            "tokens_per_second_with_backward": spread(ours["both"]),
            "ratio_with_backward": ratios(ours["both"], local["both"]),
            "hops": hops,
            "relative_difference": float(difference),
        },
        {
            "tokens_per_second": spread(local["forward"]),
            "tokens_per_second_with_backward": spread(local["both"]),
            "threads": sides.all_threads,
        },
        ratios(ours["forward"], local["forward"]),
    )


def _forward(layers: Callable[[torch.Tensor], torch.Tensor], hidden: torch.Tensor) -> float:
    began = time.perf_counter()
    with torch.no_grad():
        layers(hidden)
    return time.perf_counter() - began


def _forward_and_backward(layers: Callable[[torch.Tensor], torch.Tensor], hidden: torch.Tensor) -> float:
    began = time.perf_counter()
    entered = hidden.clone().requires_grad_()
    output = layers(entered)
    torch.autograd.grad(output, entered, torch.ones_like(output))
    return time.perf_counter() - began
