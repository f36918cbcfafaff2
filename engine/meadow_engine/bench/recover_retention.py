"""What it costs to be prepared: the rate of a chat with and without retained outputs, in turn, and the memory."""

from __future__ import annotations

from typing import Any

from meadow_engine.bench.breakable import Breakable
from meadow_engine.bench.generation import generate
from meadow_engine.bench.report import Measured, ratios, spread
from meadow_engine.bench.series import say
from meadow_engine.bench.texts import random_prompt

_PROMPT = 16


def measure_retention(breakable: Breakable) -> Measured:
    """`ours` retains, the reference does not."""
    settings = breakable.settings
    models = [breakable.model(breakable.client(retain=retain)) for retain in (True, False)]
    prompt = random_prompt(int(breakable.description.text_config.vocab_size), _PROMPT)
    tokens = 3 * settings.tokens
    rates: list[list[float]] = [[], []]
    for run in range(2 * settings.runs + 1):
        for side in (0, 1) if run % 2 else (1, 0):
            timing = generate(models[side], prompt, tokens)[1]
            if run:  # the first one warms up
                rates[side].append(timing.tokens_per_second)
    results: dict[str, Any] = {"tokens_per_second": spread(rates[0])}
    results |= _memory(breakable, models[0], tokens)
    say(f"  retaining: {results['tokens_per_second']['median']:.4g} tokens/s, not: {spread(rates[1])['median']:.4g}")
    return Measured(results, {"tokens_per_second": spread(rates[1])}, ratios(rates[0], rates[1]))


def _memory(breakable: Breakable, model: Any, tokens: int) -> dict[str, float]:
    """Bytes kept for each token of a chat, while it is open."""
    prompt = random_prompt(int(breakable.description.text_config.vocab_size), _PROMPT)
    with model.remote.inference_session(max_length=_PROMPT + tokens) as session:
        model.generate(
            prompt, max_new_tokens=tokens, min_new_tokens=tokens, do_sample=False, pad_token_id=0, session=session
        )
        kept = session.position
        memory = {"client_bytes_per_token": session.history_bytes / kept}
        if (retained := breakable.retained_bytes()) is not None:
            memory["servers_bytes_per_token"] = retained / kept
    return memory
