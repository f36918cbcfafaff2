"""Tokens per second of one chat through the swarm, beside the same generation by local Transformers.

Both sides run in turn in one process, greedily and with the same prompt; each run's ratio is its own pair's. The first
token (the prompt) is left out of the rate. "Added per hop" is the difference of the times for one token by the number
of servers: network, serialisation, threads and queues.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from typing import Any

import torch
from transformers import AutoModelForCausalLM
from transformers.generation.streamers import BaseStreamer

from meadow_client.identity import new_identity
from meadow_client.invitation import read_addresses
from meadow_client.models.auto import AutoDistributedModelForCausalLM, make_client
from meadow_client.models.description import ModelDescription, describe
from meadow_client.swarm.node import SwarmNode
from meadow_engine.bench.report import machine, spread
from meadow_engine.local_swarm import local_swarm, split_layers


@dataclass(frozen=True)
class DecodeSettings:
    """What to measure: `runs` pairs of generations of `tokens` tokens after a prompt of `prompt_tokens`."""

    engines: int = 3
    tokens: int = 32
    prompt_tokens: int = 16
    runs: int = 5
    dtype: str = "float32"
    threads: int = 1


async def bench_decode(model: str, join: Sequence[str], settings: DecodeSettings) -> dict[str, Any]:
    """Measure and report; starts a swarm on this computer when `join` is empty."""
    description = await asyncio.to_thread(describe, model)
    torch.set_num_threads(settings.threads)
    addresses = read_addresses(join)
    async with (
        _swarm(model, description, addresses, settings) as peers,
        SwarmNode.running(new_identity(), peers, listen=None) as node,
    ):
        client = make_client(description, node, asyncio.get_running_loop())
        return await asyncio.to_thread(_measure, description, client, settings)


@asynccontextmanager
async def _swarm(
    model: str, description: ModelDescription, addresses: list[str], settings: DecodeSettings
) -> AsyncIterator[list[str]]:
    if addresses:
        yield addresses
        return
    spans = split_layers(description.num_layers, settings.engines)
    async with local_swarm(model, spans, settings.dtype, settings.threads) as swarm:
        yield swarm.address


def _measure(description: ModelDescription, client: Any, settings: DecodeSettings) -> dict[str, Any]:
    ours = AutoDistributedModelForCausalLM.connect(description, client, dtype=settings.dtype)
    local = AutoModelForCausalLM.from_pretrained(description.source, dtype=settings.dtype).eval()
    generator = torch.Generator().manual_seed(0)
    vocabulary = description.text_config.vocab_size
    prompt = torch.randint(3, vocabulary, (1, settings.prompt_tokens), generator=generator)
    text_of_ours, _ = _token_times(ours, prompt, settings.tokens)  # also warms up
    text_of_local, _ = _token_times(local, prompt, settings.tokens)
    swarm_s, local_s = [], []
    for _run in range(settings.runs):
        local_s.append(_token_times(local, prompt, settings.tokens)[1])
        swarm_s.append(_token_times(ours, prompt, settings.tokens)[1])
    with ours.inference_session(settings.prompt_tokens + settings.tokens) as session:
        ours.generate(prompt, max_new_tokens=2, do_sample=False, session=session)
        hops = len(session.members)
    pairs = list(zip(swarm_s, local_s, strict=True))
    return {
        "bench": "decode",
        "model": description.name,
        "settings": asdict(settings),
        "machine": machine(),
        "results": {
            "tokens_per_second": spread([1 / s for s in swarm_s]),
            "hops": hops,
            "added_per_hop_ms": spread([(ours_s - local_s) / hops * 1000 for ours_s, local_s in pairs]),
            "same_text": torch.equal(text_of_ours, text_of_local),
        },
        "reference": {"tokens_per_second": spread([1 / s for s in local_s])},
        "ratio": spread([local_s / ours_s for ours_s, local_s in pairs]),
    }


class _Clock(BaseStreamer):
    """Notes when every token came."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def put(self, _value: torch.Tensor) -> None:
        self.times.append(time.perf_counter())

    def end(self) -> None:
        pass


def _token_times(model: Any, prompt: torch.Tensor, tokens: int) -> tuple[torch.Tensor, float]:
    """The text, and the mean time of one token after the first, in seconds."""
    clock = _Clock()
    text = model.generate(
        prompt,
        attention_mask=torch.ones_like(prompt),
        max_new_tokens=tokens,
        min_new_tokens=tokens,
        do_sample=False,
        pad_token_id=0,
        streamer=clock,
    )
    first, last = clock.times[1], clock.times[-1]  # times[0] is the prompt's
    return text, (last - first) / (len(clock.times) - 2)
