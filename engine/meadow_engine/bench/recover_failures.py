"""Tokens per second while streams to servers break at random: ours, from scratch, and without a cache.

At every step after the first, each server's stream breaks with the same chance, at a random moment of the step; the
server then forgets the session. The ways:

- ours: the session goes on with other servers, or with the same one, refilled by the server before;
- from scratch (the reference): the whole text so far is computed anew in a new session;
- no cache: every token takes a pass over the whole text, in pieces through all servers, as fast as they can. That is
  measured for few lengths and scaled; a failure is taken to repeat the pass.

Rates count everything from the call to the last token. Both sides of a pair of runs have the same draws.
"""

from __future__ import annotations

import random
import statistics
import time
from typing import Any

import torch

from meadow_client.errors import MeadowError
from meadow_engine.bench.breakable import Breakable, BreakableClient
from meadow_engine.bench.failures import CachelessCost, FailurePlan, lengths_to_measure
from meadow_engine.bench.generation import Timing, generate
from meadow_engine.bench.report import Measured, Spread, ratios, spread
from meadow_engine.bench.series import say
from meadow_engine.bench.settings import FAILURES_PROMPT
from meadow_engine.bench.texts import random_prompt

_PASSES = 3
_MOST_RESTARTS = 1000


class _Breaker:
    """Breaks streams while a text is generated; `on_arrival` is called after every token."""

    def __init__(self, client: BreakableClient, plan: FailurePlan, seed: int) -> None:
        self._client, self._plan, self._random = client, plan, random.Random(seed)
        self._arrived_s = time.perf_counter()
        self.failures = 0

    def on_arrival(self) -> None:
        now_s = time.perf_counter()
        step_s, self._arrived_s = min(0.1, now_s - self._arrived_s), now_s
        for place in self._plan.broken(len(self._client.hops)):
            self.failures += 1
            self._client.break_off(place, self._random.uniform(0, step_s))


def measure_failures(breakable: Breakable) -> Measured:
    settings = breakable.settings
    ours_client, fragile_client = breakable.client(), breakable.client(max_retries=0)
    ours, fragile = breakable.model(ours_client), breakable.model(fragile_client)
    prompt = random_prompt(int(breakable.description.text_config.vocab_size), FAILURES_PROMPT)
    results: dict[str, Any] = {}
    reference: dict[str, Any] = {}
    ratio: Spread = spread([1.0])
    is_same = True
    for tokens in settings.text_lengths:
        text, _ = generate(ours, prompt, tokens)
        cost = _measure_passes(ours, text)
        for rate in settings.failure_rates:
            mine: list[float] = []
            theirs: list[float] = []
            failures = [0, 0]
            for run in range(settings.runs):
                breakers = [_Breaker(client, FailurePlan(rate, run), run) for client in (ours_client, fragile_client)]
                began_s = time.perf_counter()
                said, _ = generate(ours, prompt, tokens, on_arrival=breakers[0].on_arrival)
                mine.append(tokens / (time.perf_counter() - began_s))
                began_s = time.perf_counter()
                said_anew = _generate_with_restarts(fragile, prompt, tokens, breakers[1])
                theirs.append(tokens / (time.perf_counter() - began_s))
                is_same = is_same and torch.equal(said, text) and torch.equal(said_anew, text)
                for index, breaker in enumerate(breakers):
                    failures[index] += breaker.failures
            name = f"{tokens}_tokens_at_{rate:g}"
            results[f"tokens_per_second_{name}"] = spread(mine)
            reference[f"tokens_per_second_{name}"] = spread(theirs)
            results[f"failures_{name}"], reference[f"failures_{name}"] = failures
            without_cache = cost.tokens_per_second(FAILURES_PROMPT, tokens, rate, settings.engines)
            reference[f"no_cache_tokens_per_second_{name}"] = without_cache
            ratio = ratios(mine, theirs)
            say(
                f"  {tokens} tokens at {rate:g}: {statistics.median(mine):.3g} tokens/s,"
                f" from scratch {statistics.median(theirs):.3g}, without a cache {without_cache:.3g}"
            )
    results["failures_same_text"] = is_same
    return Measured(results, reference, ratio)


def _generate_with_restarts(model: Any, prompt: torch.Tensor, tokens: int, breaker: _Breaker) -> torch.Tensor:
    """What one would do who knows no recovery: begin again with the text so far."""
    text = prompt
    for _restart in range(_MOST_RESTARTS):
        left = prompt.shape[1] + tokens - text.shape[1]
        if left == 0:
            break
        timing = Timing()
        try:
            text, _ = generate(model, text, left, timing=timing, on_arrival=breaker.on_arrival)
        except MeadowError:
            said = [token for arrival in timing.arrivals for token in arrival.ids]
            text = torch.cat([text, torch.tensor([said], dtype=text.dtype)], dim=1) if said else text
    return text


def _measure_passes(model: Any, text: torch.Tensor) -> CachelessCost:
    """Time passes over the beginning of a text, of a few lengths."""
    seconds: dict[int, float] = {}
    tokens = text.shape[1]
    with torch.no_grad(), model.remote.inference_session(max_length=tokens) as session:
        for length in lengths_to_measure(FAILURES_PROMPT, tokens - FAILURES_PROMPT):
            hidden = model.get_input_embeddings()(text[:, :length])
            times = []
            for _pass in range(_PASSES + 1):
                began_s = time.perf_counter()
                session.position = 0
                session.step(hidden, keep=1)
                times.append(time.perf_counter() - began_s)
            seconds[length] = statistics.median(times[1:])
    return CachelessCost(seconds)
