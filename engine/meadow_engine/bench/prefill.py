"""The time to the first token of a long prompt, beside the same prompt in local Transformers.

Ours includes opening a chain of servers. Local Transformers has as many torch threads as all servers of the chain
together, as far as this computer has cores. A rate is the prompt's tokens by the time to the first token.
"""

from __future__ import annotations

import torch

from meadow_engine.bench.generation import generate
from meadow_engine.bench.report import Measured, ratios, spread
from meadow_engine.bench.settings import PrefillSettings
from meadow_engine.bench.sides import Sides, torch_threads
from meadow_engine.bench.texts import random_prompt


def measure_prefill(sides: Sides, settings: PrefillSettings) -> Measured:
    """Blocks; on a thread of its own."""
    hops = sides.find_hops()
    prompt = random_prompt(sides.vocabulary, settings.prompt_tokens)

    def ours() -> tuple[torch.Tensor, float]:
        text, timing = generate(sides.ours, prompt, 1)
        return text, timing.first_token_s

    def local() -> tuple[torch.Tensor, float]:
        with torch_threads(sides.all_threads):
            text, timing = generate(sides.local, prompt, 1)
        return text, timing.first_token_s

    text_of_local, _ = local()  # also warms up
    text_of_ours, _ = ours()
    local_s, our_s = [], []
    for _run in range(settings.runs):
        local_s.append(local()[1])
        our_s.append(ours()[1])
    our_rates = [settings.prompt_tokens / seconds for seconds in our_s]
    local_rates = [settings.prompt_tokens / seconds for seconds in local_s]
    return Measured(
        {
            "tokens_per_second": spread(our_rates),
            "first_token_s": spread(our_s),
            "hops": hops,
            "same_token": torch.equal(text_of_ours, text_of_local),
        },
        {"tokens_per_second": spread(local_rates), "first_token_s": spread(local_s), "threads": sides.all_threads},
        ratios(our_rates, local_rates),
    )
