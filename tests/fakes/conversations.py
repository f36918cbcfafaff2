"""Conversations through a swarm of real servers, to which something happens on the way.

A script is a program that uses a session; it says what comes out of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import torch

from fakes.models import HIDDEN, VOCABULARY
from fakes.span_servers import Network
from meadow_client.session.inference import InferenceSession
from meadow_client.session.swarm_client import SwarmClient
from meadow_client.session.upkeep import Recovery

PROMPT = 40
TOKENS = 46
TABLE = torch.randn(VOCABULARY, HIDDEN, generator=torch.Generator().manual_seed(5))

Faults = dict[int, Callable[[], None]]
"""What happens before the step at a position."""
Fault = Callable[[], object]
"""What happens on the event loop; what it gives is waited for, if it can be."""


def hidden(batch: int = 1, tokens: int = TOKENS, seed: int = 0) -> torch.Tensor:
    return torch.randn(batch, tokens, HIDDEN, generator=torch.Generator().manual_seed(seed))


def text(session: InferenceSession, faults: Faults) -> torch.Tensor:
    """A prompt and an answer."""
    entering, outputs = hidden(), []
    for first, last in [(0, PROMPT), *((position, position + 1) for position in range(PROMPT, TOKENS))]:
        faults.get(first, _nothing)()
        outputs.append(session.step(entering[:, first:last]))
    return torch.cat(outputs, dim=1)


def text_of_token_ids(session: InferenceSession, faults: Faults) -> torch.Tensor:
    """The session remembers what it was asked in token ids."""
    ids = torch.randint(VOCABULARY, (1, TOKENS), generator=torch.Generator().manual_seed(1))
    session.embed_with(lambda _position, piece: TABLE[piece["ids"]])
    outputs = []
    for first, last in [(0, PROMPT), *((position, position + 1) for position in range(PROMPT, TOKENS))]:
        faults.get(first, _nothing)()
        part = ids[:, first:last]
        outputs.append(session.step(TABLE[part], ids=part, keep=1))
    return torch.cat(outputs, dim=1)


def padded_texts(session: InferenceSession, faults: Faults) -> torch.Tensor:
    """Two texts, of which one is shorter, with positions of its own."""
    entering, outputs = hidden(2), []
    mask = torch.ones(2, TOKENS, dtype=torch.int64)
    mask[0, :7] = 0
    positions = (mask.cumsum(dim=1) - 1).clamp_min(0)
    for first, last in [(0, PROMPT), *((position, position + 1) for position in range(PROMPT, TOKENS))]:
        faults.get(first, _nothing)()
        outputs.append(session.step(entering[:, first:last], positions[:, first:last], mask[:, :last]))
    whole = torch.cat(outputs, dim=1)
    return torch.cat([whole[:1, 7:].flatten(), whole[1:].flatten()])


def beams(session: InferenceSession, faults: Faults) -> torch.Tensor:
    """Three rows that change places before every step of the answer."""
    entering, outputs = hidden(3), []
    orders = [[0, 1, 2], [2, 0, 0], [1, 2, 0], [0, 0, 1], [1, 0, 2], [2, 1, 1]]
    for first, last in [(0, PROMPT), *((position, position + 1) for position in range(PROMPT, TOKENS))]:
        faults.get(first, _nothing)()
        if first:
            session.reorder(torch.tensor(orders[first - PROMPT]))
        outputs.append(session.step(entering[:, first:last]))
    return torch.cat(outputs, dim=1)


def text_that_goes_back(session: InferenceSession, faults: Faults) -> torch.Tensor:
    """Guesses are taken back again and again."""
    entering, other, outputs = hidden(), hidden(seed=3), []
    outputs.append(session.step(entering[:, :PROMPT]))
    for position in range(PROMPT, TOKENS - 3):
        session.step(other[:, position : position + 3])
        session.position = position
        faults.get(position, _nothing)()
        outputs.append(session.step(entering[:, position : position + 1]))
    return torch.cat(outputs, dim=1)


def _nothing() -> None:
    """Nothing happens."""


SCRIPTS = [text, text_of_token_ids, padded_texts, beams, text_that_goes_back]
Script = Callable[[InferenceSession, Faults], torch.Tensor]


async def live(client: SwarmClient, script: Script = text, faults: dict[int, Fault] | None = None) -> Any:
    """What a session of this script gave, and its recoveries. Faults happen on the event loop."""
    loop = asyncio.get_running_loop()

    def on_loop(fault: Fault) -> Callable[[], None]:
        async def happen() -> None:
            waited_for = fault()
            if isinstance(waited_for, Awaitable):
                await waited_for

        return lambda: asyncio.run_coroutine_threadsafe(happen(), loop).result()

    def run() -> tuple[torch.Tensor, list[Recovery]]:
        with InferenceSession(client, 0, 6, 100) as session:
            output = script(session, {position: on_loop(fault) for position, fault in (faults or {}).items()})
            return output, session.recoveries

    return await asyncio.to_thread(run)


_undisturbed: dict[tuple[Script, str], torch.Tensor] = {}


async def undisturbed(swarm: Network, script: Script = text, model: str = "llama") -> torch.Tensor:
    """What it gives if nothing happens."""
    if (script, model) not in _undisturbed:
        _undisturbed[script, model], recoveries = await live(swarm.client(), script)
        assert recoveries == []
        await swarm.quiet()
    return _undisturbed[script, model]


def close(ours: torch.Tensor, theirs: torch.Tensor) -> None:
    torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-3)


def kill(swarm: Network, *peers: str) -> Callable[[], None]:
    def fault() -> None:
        for peer in peers:
            swarm.kill(peer)

    return fault


def names(recovery: Recovery) -> tuple[list[str], list[str]]:
    return [member.name for member in recovery.lost], [member.name for member in recovery.instead]


def counts(swarm: Network) -> dict[str, int]:
    return {name: served.server.counts.tokens for name, served in swarm.servers.items()}
