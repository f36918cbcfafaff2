"""Draw tokens with a random generator of one's own, so that answers computed side by side do not mix their seeds."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from transformers import LogitsProcessor, LogitsProcessorList, TemperatureLogitsWarper, TopPLogitsWarper


@dataclass(frozen=True)
class Sampling:
    """How the next token is chosen. Temperature 0 takes the likeliest one."""

    temperature: float = 0.0
    top_p: float = 1.0
    seed: int | None = None


class GumbelDraw(LogitsProcessor):
    """Adds Gumbel noise to the scores [B, V], after which the largest one is a draw from their softmax.

    Source: E. J. Gumbel, Statistical Theory of Extreme Values (1954), known as the Gumbel-max trick.
    """

    def __init__(self, seed: int | None) -> None:
        self._generator = torch.Generator()
        if seed is None:
            self._generator.seed()
        else:
            self._generator.manual_seed(seed % (1 << 63))

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
        uniform = torch.rand(scores.shape, generator=self._generator, dtype=torch.float64)
        noise = -torch.log(-torch.log(uniform.clamp(1e-300, 1 - 1e-16)))
        return (scores.double() + noise.to(scores.device)).float()  # type: ignore[return-value]


def processors(sampling: Sampling) -> LogitsProcessorList:
    """Logits processors for greedy `generate` (do_sample=False) that make it draw as asked."""
    chosen = LogitsProcessorList()
    if sampling.temperature <= 0:
        return chosen
    if sampling.temperature != 1.0:
        chosen.append(TemperatureLogitsWarper(sampling.temperature))
    if sampling.top_p < 1.0:
        chosen.append(TopPLogitsWarper(sampling.top_p))
    chosen.append(GumbelDraw(sampling.seed))
    return chosen
