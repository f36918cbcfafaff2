"""The engine as a daemon (`meadow --no-gui`): the composition root of everything it does.

One asyncio loop: a swarm node, sharing, the control API and the OpenAI-compatible server on one local port. Ends when
told to, by a signal or because the program that started it is gone.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from meadow_assets import demo_model_path
from meadow_client.errors import UsageError
from meadow_client.identity import load_or_create_identity
from meadow_client.invitation import read_addresses
from meadow_client.models.answering import Answerer
from meadow_client.models.auto import make_client
from meadow_client.models.description import ModelDescription, describe
from meadow_client.routing.chains import Offer, coverage
from meadow_client.session.swarm_client import ClientOptions, SwarmClient
from meadow_client.swarm.directory import Server
from meadow_client.swarm.node import EVERYWHERE, SwarmNode
from meadow_engine.api.places import Places, RunningEngine, write_private
from meadow_engine.api.settings import Settings
from meadow_engine.api.status import EngineStatus, ModelStatus, Span
from meadow_engine.control.app import create_app
from meadow_engine.hosting import HostOptions, installed_version
from meadow_engine.http_server import load_or_create_key, serving_http
from meadow_engine.runtime.device import choose_device
from meadow_engine.runtime.span import LoadOptions
from meadow_engine.settings_file import change_setting
from meadow_engine.sharing import Sharing

_ANSWER_PATIENCE_S = 15.0


class Engine:
    """What the control API asks and tells. Everything runs on the event loop."""

    def __init__(
        self,
        places: Places,
        settings: Settings,
        node: SwarmNode,
        description: ModelDescription,
        sharing: Sharing,
    ) -> None:
        self._places = places
        self._settings = settings
        self._node = node
        self._description = description
        self._sharing = sharing
        self._started = time.monotonic()
        self._peers = 0
        self._changed = asyncio.Condition()
        self._answerer: Answerer | None = None
        self._loading = asyncio.Lock()
        self.url = ""
        options = ClientOptions(connect_timeout_s=_ANSWER_PATIENCE_S)
        self._client: SwarmClient = make_client(description, node, asyncio.get_running_loop(), options)

    def status(self) -> EngineStatus:
        hosted = self._sharing.hosted
        return EngineStatus(
            version=installed_version(),
            pid=os.getpid(),
            peer=self._node.peer,
            name=self._settings.public_name,
            address=self._node.address,
            uptime_s=round(time.monotonic() - self._started, 1),
            device=self._settings.device,
            sharing=self._sharing.state,
            sharing_detail=self._sharing.detail,
            model=self._description.name,
            span=Span(start=hosted.span.start, end=hosted.span.end) if hosted else None,
            sessions=hosted.counts.sessions if hosted else 0,
            tokens_served=hosted.counts.tokens if hosted else 0,
            peers=self._peers,
            base_url=f"{self.url}/v1",
        )

    async def models(self) -> list[ModelStatus]:
        """All models of the swarm, this engine's own first."""
        return models_of(await self._node.directory.all_servers(), self._description)

    async def set_sharing(self, enabled: bool) -> EngineStatus:
        await asyncio.to_thread(change_setting, self._places.settings_file, "share", enabled)
        self._sharing.want(enabled)
        await asyncio.sleep(0)
        return self.status()

    async def answerer(self) -> Answerer:
        """The client's end of the model, loaded when it is first asked for."""
        async with self._loading:
            if self._answerer is None:
                self._answerer = await asyncio.to_thread(Answerer.load, self._description, self._client)
        return self._answerer

    async def count_peers(self) -> None:
        """Keep `peers` of the status true; the engine's second task."""
        while True:
            self._peers = await self._node.count_peers()
            await asyncio.sleep(2.0)

    async def aclose(self) -> None:
        if self._answerer is not None:
            await self._answerer.aclose()


def models_of(servers: list[Server], own: ModelDescription | None = None) -> list[ModelStatus]:
    """Coverage of every model that servers announce; `own` comes first and is there without servers, too."""
    by_model: dict[str, list[Server]] = {own.fingerprint: []} if own else {}
    for server in servers:
        by_model.setdefault(server.announced.model, []).append(server)
    found = []
    for fingerprint, holders in by_model.items():
        if own is not None and fingerprint == own.fingerprint:
            name, num_layers, context_length = own.name, own.num_layers, own.context_length
        else:
            announced = holders[0].announced
            name, num_layers, context_length = (
                announced.model_name,
                announced.num_layers,
                announced.context_length,
            )
        offers = [Offer(server.peer, server.announced.start, server.announced.end) for server in holders]
        counts = coverage(offers, num_layers)
        found.append(
            ModelStatus(
                id=name,
                num_layers=num_layers,
                coverage=counts,
                servers=len(holders),
                context_length=context_length,
                is_complete=all(counts),
            )
        )
    return found


@asynccontextmanager
async def running_engine(places: Places, settings: Settings) -> AsyncIterator[Engine]:
    """An engine that runs as long as the block; `engine.json` says where it is reached.

    Raises:
        MeadowError: for what cannot be started: the model, the swarm, a port.
    """
    peers = read_addresses(settings.initial_peers)
    description = await asyncio.to_thread(describe, settings.model or str(demo_model_path()))
    device = choose_device(settings.device)
    identity = load_or_create_identity(places.identity_file)
    load = LoadOptions(settings.dtype, settings.quantization)
    host = HostOptions(parse_layers(settings.layers), load, settings.public_name)
    key = load_or_create_key(places.api_key_file)
    async with SwarmNode.running(identity, peers, settings.listen or EVERYWHERE) as node:
        sharing = Sharing(node, description, device, host)
        engine = Engine(places, settings, node, description, sharing)
        async with serving_http(create_app(engine, key), settings.port) as url, asyncio.TaskGroup() as group:
            engine.url = url
            tasks = [group.create_task(sharing.run()), group.create_task(engine.count_peers())]
            sharing.want(settings.share)
            running = RunningEngine(pid=os.getpid(), url=url, token=key, version=installed_version())
            write_private(places.engine_file, running.model_dump_json())
            try:
                yield engine
            finally:
                places.engine_file.unlink(missing_ok=True)
                await engine.aclose()
                for task in tasks:
                    task.cancel()


def parse_layers(text: str) -> tuple[int, int] | None:
    """`A:B` as a half-open range; None for an empty text.

    Raises:
        UsageError: the text has another form.
    """
    if not text:
        return None
    start, separator, end = text.partition(":")
    if not separator or not start.isdecimal() or not end.isdecimal():
        raise UsageError(f"{text!r} is not a range of layers", "Give it as A:B, such as 0:4 for the first four layers.")
    return int(start), int(end)
