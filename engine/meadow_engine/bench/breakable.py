"""A swarm on this computer whose servers can be lost, and a client that sees it happen.

Every span has two engines. Those that are killed are started again before they are needed, outside of what is
measured, as other peers; the client leaves the dead out of its chains, because the directory names them for minutes.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from meadow_client.errors import UsageError
from meadow_client.identity import new_identity
from meadow_client.invitation import read_addresses
from meadow_client.models.auto import AutoDistributedModelForCausalLM
from meadow_client.models.description import ModelDescription, describe
from meadow_client.session.hop import Hop
from meadow_client.session.pipeline import Pipeline
from meadow_client.session.swarm_client import ClientOptions, SwarmClient
from meadow_client.swarm.node import SwarmNode
from meadow_engine.bench.settings import RecoverSettings, check_length, check_settings
from meadow_engine.bench.sides import client_options, torch_threads
from meadow_engine.local_swarm import LocalEngine, LocalSwarm, local_swarm, split_layers

_FOUND_TIMEOUT_S = 60.0
_FIND_AGAIN_S = 0.2


@dataclass
class BreakableClient(SwarmClient):
    """Knows the streams of its latest whole chain, and holds nothing against servers: they are broken on purpose."""

    hops: list[Hop] = field(default_factory=list)

    def pipeline(self, hops: Sequence[Hop], *args: Any, **kwargs: Any) -> Pipeline:
        if sum(hop.leg.end - hop.leg.start for hop in hops) == self.num_layers:
            self.hops = list(hops)
        return super().pipeline(hops, *args, **kwargs)

    def ban(self, peer: str) -> None:
        """Nothing: with few servers, all of them would soon be banned."""

    def break_off(self, place: int, after_s: float = 0.0) -> None:
        """Break the stream to one server of the chain off, from any thread."""
        hop = self.hops[place % len(self.hops)]
        self.loop.call_soon_threadsafe(self.loop.call_later, after_s, hop.abort)


@dataclass
class Breakable:
    """The swarm and what clients need. For threads other than the event loop; `swarm` is None where we only joined."""

    description: ModelDescription
    settings: RecoverSettings
    node: SwarmNode
    loop: asyncio.AbstractEventLoop
    swarm: LocalSwarm | None
    dead: set[str] = field(default_factory=set)
    _stopped: list[psutil.Process] = field(default_factory=list)

    def client(self, *, retain: bool = True, max_retries: int = ClientOptions.max_retries) -> BreakableClient:
        usual = client_options(self.settings.codec, self.settings.piece_tokens)
        options = ClientOptions(
            codec=usual.codec,
            piece_tokens=usual.piece_tokens,
            retain=retain,
            max_retries=max_retries,
            blocked_servers=self.dead,
        )
        about = self.description
        return BreakableClient(self.node, self.loop, about.fingerprint, about.name, about.num_layers, options)

    def model(self, client: BreakableClient) -> Any:
        return AutoDistributedModelForCausalLM.connect(self.description, client, dtype=self.settings.dtype)

    def engine_of(self, peer: str) -> LocalEngine:
        return next(engine for engine in self._own.engines if engine.peer == peer)

    def kill(self, peer: str) -> None:
        """As `kill -9`."""
        self.engine_of(peer).process.kill()
        self.dead.add(peer)

    def leave(self, peer: str) -> None:
        """As `kill`: an engine hands its sessions over and ends."""
        self.engine_of(peer).process.terminate()
        self.dead.add(peer)

    def hang(self, peer: str) -> None:
        """Stop an engine and its p2pd, as if the whole computer hung."""
        engine = psutil.Process(self.engine_of(peer).process.pid)
        self._stopped = [engine, *engine.children(recursive=True)]
        for process in self._stopped:
            process.suspend()
        self.dead.add(peer)

    def wake(self) -> None:
        for process in self._stopped:
            process.resume()
            self.dead -= {engine.peer for engine in self._own.engines if engine.process.pid == process.pid}
        self._stopped = []

    def make_whole(self, places: Sequence[int]) -> None:
        """Before servers at these places of a chain are lost: see that each has a second one that lives."""
        alive = [engine for engine in self._own.engines if engine.peer not in self.dead]
        if all(sum(engine.layers == self.spans[place] for engine in alive) > 1 for place in places):
            return
        asyncio.run_coroutine_threadsafe(self._start_missing(alive), self.loop).result()

    @property
    def spans(self) -> list[tuple[int, int]]:
        return split_layers(self.description.num_layers, self.settings.engines)

    def retained_bytes(self) -> int | None:
        """What all servers retain for clients now, as far as we can know."""
        if self.swarm is None:
            return None
        time.sleep(1.0)  # status files are written now and then
        files = [engine.status_file for engine in self.swarm.engines if engine.status_file is not None]
        return sum(_retained(path) for path in files)

    async def _start_missing(self, alive: list[LocalEngine]) -> None:
        wanted = [*self.spans, *self.spans]
        for engine in alive:
            wanted.remove(engine.layers)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._own.start(span)) for span in wanted]
        self._own.engines[:] = [*alive, *(task.result() for task in tasks)]
        await self.find_all()

    async def find_all(self) -> None:
        """Until the directory names every engine, so that a client would know whom to turn to."""
        peers = {engine.peer for engine in self._own.engines}
        async with asyncio.timeout(_FOUND_TIMEOUT_S):
            while not peers <= await self._found():  # noqa: ASYNC110 - nobody tells when the directory changes
                await asyncio.sleep(_FIND_AGAIN_S)

    async def _found(self) -> set[str]:
        return {server.peer for server in await self.node.directory.servers(self.description.fingerprint)}

    @property
    def _own(self) -> LocalSwarm:
        if self.swarm is None:
            raise UsageError("Only engines of a swarm of its own can be killed: leave --join out")
        return self.swarm


def _retained(path: Path) -> int:
    return int(json.loads(path.read_text(encoding="utf-8"))["retained_bytes"])


@asynccontextmanager
async def open_breakable(model: str, join: Sequence[str], settings: RecoverSettings) -> AsyncIterator[Breakable]:
    """Start the swarm, or join one where nothing has to be killed.

    Raises:
        UsageError: settings that cannot be measured, or not in somebody else's swarm.
    """
    check_settings(settings)
    if join and settings.what not in ("failures", "retention"):
        raise UsageError(
            f"--what {settings.what} kills servers, which is done in a swarm of its own only",
            "Leave --join out, or choose --what failures or --what retention.",
        )
    addresses = read_addresses(join)
    description = await asyncio.to_thread(describe, model)
    check_length(settings, description.context_length)
    if description.num_layers < settings.engines:
        raise UsageError(f"This model's {description.num_layers} layers are too few for {settings.engines} servers")
    loop = asyncio.get_running_loop()
    with torch_threads(settings.threads), tempfile.TemporaryDirectory(prefix="meadow-bench-") as folder:
        if addresses:
            async with SwarmNode.running(new_identity(), addresses, listen=None) as node:
                yield Breakable(description, settings, node, loop, None)
            return
        spans = split_layers(description.num_layers, settings.engines)
        async with (
            local_swarm(model, [*spans, *spans], settings.dtype, settings.threads, status_folder=Path(folder)) as swarm,
            SwarmNode.running(new_identity(), swarm.address, listen=None) as node,
        ):
            breakable = Breakable(description, settings, node, loop, swarm)
            await breakable.find_all()
            yield breakable
