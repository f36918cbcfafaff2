"""Every kind of measurement over one swarm of real engines: not how fast, but that it is what it says."""

from __future__ import annotations

from typing import Any

import pytest

from fakes.processes import Swarm
from meadow_client.errors import UsageError
from meadow_engine.bench.measure import bench
from meadow_engine.bench.settings import (
    BenchSettings,
    ConcurrentSettings,
    DecodeSettings,
    ForwardSettings,
    PrefillSettings,
)


async def run(swarm: Swarm, settings: BenchSettings) -> dict[str, Any]:
    report = await bench(str(swarm.model), [swarm.address], settings)
    assert list(report) == ["bench", "model", "settings", "machine", "results", "reference", "ratio"]
    assert report["results"]["hops"] == 3
    assert 0 < report["ratio"]["min"] <= report["ratio"]["median"] <= report["ratio"]["max"]
    return report


async def test_decode_says_the_same_and_counts_bytes(demo_swarm: Swarm) -> None:
    report = await run(demo_swarm, DecodeSettings(runs=2, tokens=8, count_bytes="lo"))
    assert report["results"]["same_text"]
    assert 0 < report["results"]["servers_compute_ms"]["median"] < report["results"]["step_ms"]["median"]
    assert report["results"]["sent_bytes_per_token"]["min"] > 192 * 4  # one token's hidden states


async def test_guessing_tokens_changes_steps_and_not_the_text(demo_swarm: Swarm) -> None:
    settings = DecodeSettings(runs=1, tokens=24, text="repetitive", prompt_tokens=512, lookup=6)
    results = (await run(demo_swarm, settings))["results"]
    assert results["same_text"]
    assert results["tokens_per_step"]["median"] > 1


async def test_a_question_can_be_measured(demo_swarm: Swarm) -> None:
    report = await run(demo_swarm, DecodeSettings(runs=1, tokens=4, text="prompt", prompt="What is Meadow?"))
    assert report["results"]["same_text"]


async def test_prefill_finds_the_same_first_token(demo_swarm: Swarm) -> None:
    report = await run(demo_swarm, PrefillSettings(runs=1, prompt_tokens=128))
    assert report["results"]["same_token"]
    assert report["results"]["first_token_s"]["median"] > 0


async def test_chats_at_once_say_what_each_says_alone(demo_swarm: Swarm) -> None:
    report = await run(demo_swarm, ConcurrentSettings(runs=1, clients=3, tokens=6))
    assert report["results"]["clients_with_same_text"] == 3
    assert report["results"]["same_text"]


async def test_a_long_prompt_shows_in_the_chats_steps(demo_swarm: Swarm) -> None:
    report = await run(demo_swarm, ConcurrentSettings(runs=1, clients=2, tokens=6, long_prompt=512))
    results, before = report["results"], report["reference"]
    assert results["p95_step_slowdown"]["median"] == pytest.approx(
        results["p95_step_ms"]["median"] / before["p95_step_ms"]["median"]
    )
    assert results["p50_step_ms"]["median"] <= results["p95_step_ms"]["median"]


async def test_forward_gives_what_local_layers_give(demo_swarm: Swarm) -> None:
    report = await run(demo_swarm, ForwardSettings(runs=1, batch=2, tokens=16))
    assert report["results"]["relative_difference"] < 1e-4
    assert report["results"]["ratio_with_backward"]["median"] > 0


async def test_an_unknown_network_device_is_refused(demo_swarm: Swarm) -> None:
    with pytest.raises(UsageError, match="no network device"):
        await bench(str(demo_swarm.model), [demo_swarm.address], DecodeSettings(count_bytes="nowhere0"))
