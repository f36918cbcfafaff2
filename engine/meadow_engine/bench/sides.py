"""The two sides of a measurement, in one process: a model in a swarm, and the same model in Transformers alone."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, get_args, get_type_hints

import torch
from transformers import AutoModelForCausalLM

from meadow_client.errors import UsageError
from meadow_client.identity import new_identity
from meadow_client.invitation import read_addresses
from meadow_client.models.auto import AutoDistributedModelForCausalLM, make_client
from meadow_client.models.description import ModelDescription, describe
from meadow_client.session.swarm_client import ClientOptions, SwarmClient
from meadow_client.swarm.node import SwarmNode
from meadow_engine.bench.settings import BenchSettings, check_length, check_settings
from meadow_engine.local_swarm import local_swarm, split_layers


@dataclass
class Sides:
    """Both models, each loaded when it is first used. For threads other than the swarm's event loop."""

    description: ModelDescription
    client: SwarmClient
    settings: BenchSettings
    hops: int = 0
    """Servers in a chain of ours; known after `find_hops`."""

    @cached_property
    def ours(self) -> Any:
        return AutoDistributedModelForCausalLM.connect(self.description, self.client, dtype=self.settings.dtype)

    @cached_property
    def local(self) -> Any:
        local = AutoModelForCausalLM.from_pretrained(self.description.source, dtype=self.settings.dtype)
        return local.eval().requires_grad_(False)  # as the servers' weights

    @property
    def vocabulary(self) -> int:
        return int(self.description.text_config.vocab_size)

    def find_hops(self) -> int:
        """Compute one token and see how many servers did."""
        with self.ours.remote.inference_session(max_length=1) as session:
            session.step(torch.zeros(1, 1, self.description.width, dtype=self.ours.dtype))
            self.hops = len(session.members)
        return self.hops

    @property
    def all_threads(self) -> int:
        """As many torch threads as all servers of the chain have together, but no more than there are cores."""
        return min(self.settings.threads * max(1, self.hops), os.cpu_count() or 1)


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Let this process compute with so many threads for a while."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@asynccontextmanager
async def open_sides(model: str, join: Sequence[str], settings: BenchSettings) -> AsyncIterator[Sides]:
    """Join a swarm, or start one on this computer when `join` is empty; it ends with the block.

    Raises:
        UsageError: settings that cannot be measured.
    """
    check_settings(settings)
    options = client_options(settings.codec, settings.piece_tokens)
    addresses = read_addresses(join)
    description = await asyncio.to_thread(describe, model)
    check_length(settings, description.context_length)
    with torch_threads(settings.threads):
        async with (
            _swarm(model, description, addresses, settings) as peers,
            SwarmNode.running(new_identity(), peers, listen=None) as node,
        ):
            yield Sides(description, make_client(description, node, asyncio.get_running_loop(), options), settings)


def codecs() -> tuple[str, ...]:
    """How clients can let hidden states travel, as far as they have a choice."""
    return tuple(get_args(get_type_hints(ClientOptions).get("codec")))


def client_options(codec: str, piece_tokens: int = ClientOptions.piece_tokens) -> ClientOptions:
    """The usual options, with a codec if one is named.

    Raises:
        UsageError: clients do not have this codec.
    """
    if codec and codec not in codecs():
        raise UsageError(f"Clients cannot choose the codec {codec} in this version")
    chosen: dict[str, Any] = {"codec": codec} if codec else {}
    return ClientOptions(piece_tokens=piece_tokens, **chosen)


@asynccontextmanager
async def _swarm(
    model: str, description: ModelDescription, addresses: list[str], settings: BenchSettings
) -> AsyncIterator[list[str]]:
    if addresses:
        yield addresses
        return
    spans = split_layers(description.num_layers, settings.engines)
    async with local_swarm(model, spans, settings.dtype, settings.threads) as swarm:
        yield swarm.address
