"""Draw tokens with random numbers of one's own, so that answers computed side by side do not mix their seeds.

The numbers of a position depend on the seed and the position only. A text is the same whether its tokens were computed
one at a time or several at once after a guess, and a guess that was wrong leaves no trace.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

import numpy as np
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

    Source: E. J. Gumbel, Statistical Theory of Extreme Values (1954), known as the Gumbel-max trick. The noise is
    keyed by seed and position with Philox, a generator made for random numbers by key: Salmon et al., Parallel Random
    Numbers: As Easy as 1, 2, 3 (2011). Torch's own generator on the CPU looks at 32 bits of its seed only.
    """

    def __init__(self, seed: int | None) -> None:
        self._seed = (secrets.randbits(64) if seed is None else seed) % (1 << 64)

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
        key = np.array([self._seed, input_ids.shape[1]], dtype=np.uint64)
        waits = torch.from_numpy(np.random.Generator(np.random.Philox(key=key)).standard_exponential(scores.shape))
        noise = -torch.log(waits.clamp(min=1e-300))  # minus the logarithm of an exponential variable is a Gumbel one
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
