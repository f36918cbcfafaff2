"""Tokens per second of one chat through the swarm, beside the same generation by local Transformers.

Both sides run in turn, greedily and with the same prompt. The first token (the prompt) is left out of the rate. "Added
per hop" is the difference of the times for one token by the number of servers: network, serialisation, threads, queues.
With `lookup`, tokens are guessed from the text so far (Transformers' prompt lookup) and our side runs twice.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import psutil
import torch

from meadow_client.errors import UsageError
from meadow_engine.bench.generation import Timing, generate
from meadow_engine.bench.report import Measured, ratios, spread
from meadow_engine.bench.settings import DecodeSettings, check_length
from meadow_engine.bench.sides import Sides
from meadow_engine.bench.texts import decode_prompt


class DeviceBytes:
    """Bytes through a network device between the first and the latest token."""

    def __init__(self, device: str) -> None:
        self._device = device
        self._readings: list[tuple[int, int]] = []
        if device not in psutil.net_io_counters(pernic=True):
            raise UsageError(f"There is no network device {device} here")

    def note(self) -> None:
        counters = psutil.net_io_counters(pernic=True)[self._device]
        self._readings.append((counters.bytes_sent, counters.bytes_recv))

    def per_token(self, tokens: int) -> tuple[float, float]:
        """Sent and received, for each of the `tokens` tokens after the first; begins anew."""
        first, last = self._readings[0], self._readings[-1]
        self._readings.clear()
        return (last[0] - first[0]) / max(1, tokens), (last[1] - first[1]) / max(1, tokens)


def measure_decode(sides: Sides, settings: DecodeSettings) -> Measured:
    """Blocks; on a thread of its own."""
    counter = DeviceBytes(settings.count_bytes) if settings.count_bytes else None
    sides.find_hops()
    prompt = decode_prompt(sides, settings)
    check_length(replace(settings, prompt_tokens=prompt.shape[1]), sides.description.context_length)
    local_runs: list[Timing] = []
    our_runs: list[Timing] = []
    plain_runs: list[Timing] = []
    moved: list[tuple[float, float]] = []
    text_of_local, _ = generate(sides.local, prompt, settings.tokens)  # also warms up
    text_of_ours, _ = generate(sides.ours, prompt, settings.tokens, lookup=settings.lookup)
    for _run in range(settings.runs):
        local_runs.append(generate(sides.local, prompt, settings.tokens)[1])
        if settings.lookup:
            plain_runs.append(generate(sides.ours, prompt, settings.tokens)[1])
        on_arrival = counter.note if counter else lambda: None
        timing = generate(sides.ours, prompt, settings.tokens, lookup=settings.lookup, on_arrival=on_arrival)[1]
        our_runs.append(timing)
        if counter:
            moved.append(counter.per_token(sum(arrival.tokens for arrival in timing.arrivals[1:])))
    ours, local = _rates(our_runs), _rates(local_runs)
    results: dict[str, Any] = {"tokens_per_second": spread(ours)}
    if settings.lookup:
        plain = _rates(plain_runs)
        results["tokens_per_second_without_lookup"] = spread(plain)
        results["speedup_by_lookup"] = ratios(ours, plain)
        results["tokens_per_step"] = spread([timing.tokens_per_step for timing in our_runs])
    results["hops"] = sides.hops
    results["added_per_hop_ms"] = spread(
        [
            (1 / mine - 1 / theirs) / sides.hops * 1000
            for mine, theirs in zip(_rates(plain_runs or our_runs), local, strict=True)
        ]
    )
    results["step_ms"] = spread([timing.step_s * 1000 for timing in our_runs])
    results["servers_compute_ms"] = spread([timing.compute_s * 1000 for timing in our_runs])
    if moved:
        results["sent_bytes_per_token"] = spread([sent for sent, _ in moved])
        results["received_bytes_per_token"] = spread([received for _, received in moved])
    results["same_text"] = torch.equal(text_of_ours, text_of_local)
    reference = {
        "tokens_per_second": spread(local),
        "step_ms": spread([timing.step_s * 1000 for timing in local_runs]),
        "threads": settings.threads,
    }
    return Measured(results, reference, ratios(ours, local))


def _rates(timings: list[Timing]) -> list[float]:
    return [timing.tokens_per_second for timing in timings]
