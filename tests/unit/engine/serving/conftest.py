"""A network of span servers with a tiny model, which must all be free again after every test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import torch

from fakes.span_servers import Network, Served
from meadow_client.models.description import describe
from meadow_engine.runtime.device import ComputeThread
from meadow_engine.runtime.span import LoadOptions, Span


@pytest.fixture(scope="session")
def load(tiny_model: Callable[[str], Path]) -> Callable[[int, int], Span]:
    """Layers [start, end) of the tiny llama."""
    description = describe(str(tiny_model("llama")))
    loaded: dict[tuple[int, int], Span] = {}

    def load(start: int, end: int) -> Span:
        if (start, end) not in loaded:
            cpu = torch.device("cpu")
            loaded[start, end] = Span.load(description, start, end, cpu, LoadOptions("float32"))
        return loaded[start, end]

    return load


@pytest.fixture
async def network() -> AsyncIterator[Network]:
    network = Network()
    yield network
    everybody = list(network.servers.values())
    await network.quiet()
    for served in everybody:
        served.assert_is_free()
    for compute in {served.compute for served in everybody}:
        compute.close()


@pytest.fixture
async def served(network: Network, load: Callable[[int, int], Span]) -> Served:
    """One server with layers 1 to 5."""
    return Served("server", load(1, 5), ComputeThread(torch.device("cpu")), network)


@pytest.fixture
async def two(network: Network, load: Callable[[int, int], Span]) -> tuple[Served, Served]:
    """A chain of two: "first" with layers 0 to 3, "second" with 3 to 6."""
    return (
        Served("first", load(0, 3), ComputeThread(torch.device("cpu")), network),
        Served("second", load(3, 6), ComputeThread(torch.device("cpu")), network),
    )
