"""The engine as a daemon (`meadow --no-gui`): the composition root of everything it does.

One asyncio loop: a swarm node, the watch over sharing, the control API and the OpenAI-compatible server on one local
port; layers are hosted by a process of their own. Ends when told to, by a signal or because the program that started
it is gone.
"""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

from meadow_assets import demo_model_path
from meadow_client.identity import load_or_create_identity
from meadow_client.invitation import read_addresses
from meadow_client.models.auto import make_client
from meadow_client.models.description import describe
from meadow_client.session.swarm_client import ClientOptions
from meadow_client.swarm.node import EVERYWHERE, SwarmNode
from meadow_engine.api.places import Places, RunningEngine, write_private
from meadow_engine.api.settings import Settings
from meadow_engine.control.app import create_app
from meadow_engine.engine import Engine
from meadow_engine.host.protocol import Order
from meadow_engine.hosting import installed_version, parse_layers
from meadow_engine.http_server import load_or_create_key, serving_http
from meadow_engine.kept_settings import KeptSettings
from meadow_engine.kept_wishes import read_wishes
from meadow_engine.monthly_volume import LookingAtVolume, MonthlyVolume
from meadow_engine.policy.facts import Facts
from meadow_engine.senses.choose import find_senses
from meadow_engine.sharing import Sharing
from meadow_engine.sharing_rules import lent_bytes, lent_gpus, rules_of, upload_bytes_s, volume_bytes
from meadow_engine.sharing_watch import SharingWatch

_ANSWER_PATIENCE_S = 15.0


@asynccontextmanager
async def running_engine(places: Places, kept: KeptSettings) -> AsyncIterator[Engine]:
    """An engine that runs as long as the block; `engine.json` says where it is reached.

    Raises:
        MeadowError: for what cannot be started: the model, the swarm, a port.
    """
    settings = kept.settings
    peers = read_addresses(settings.initial_peers)
    description = await asyncio.to_thread(describe, settings.model or str(demo_model_path()))
    parse_layers(settings.layers)
    identity = load_or_create_identity(places.identity_file)
    key = load_or_create_key(places.api_key_file)
    async with SwarmNode.running(identity, peers, settings.listen or EVERYWHERE) as node:

        def order() -> Order:
            return _order(places, kept.settings, node, watch.facts)

        sharing = Sharing(order)
        senses, idle = await find_senses(
            programs=lambda: kept.settings.programs,
            folder=_existing(places),
            is_computing=lambda: sharing.sessions > 0,
            on_active=lambda: watch.look_now(),
        )
        senses.unasked = lambda: frozenset({"gpus"} if lent_gpus(kept.settings.device) == () else ())
        volume = MonthlyVolume(places.volume_file)
        sharing.on_traffic = volume.add
        looking = LookingAtVolume(senses, volume, lambda: volume_bytes(kept.settings))
        watch = SharingWatch(looking, sharing, lambda: rules_of(kept.settings))
        watch.wishes = read_wishes(places.wishes_file, time.monotonic(), time.time())
        options = ClientOptions(connect_timeout_s=_ANSWER_PATIENCE_S)
        client = make_client(description, node, asyncio.get_running_loop(), options)
        engine = Engine(places, kept, node, description, client, sharing, watch, volume, lambda: idle.advice)
        watch.is_chatting = lambda: engine.is_answering
        async with (
            aclosing(senses),
            aclosing(volume),
            serving_http(create_app(engine, key), settings.port) as url,
            asyncio.TaskGroup() as group,
        ):
            engine.url = url
            works = (
                sharing.run(),
                watch.run(),
                engine.count_peers(),
                engine.tell_changes(),
                engine.follow_settings_file(),
                volume.keep(),
            )
            tasks = [group.create_task(work) for work in works]
            await watch.looked()  # so that the first who asks hears why nothing is shared
            running = RunningEngine(pid=os.getpid(), url=url, token=key, version=installed_version())
            write_private(places.engine_file, running.model_dump_json())
            try:
                yield engine
            finally:
                places.engine_file.unlink(missing_ok=True)
                await engine.aclose()
                for task in tasks:
                    task.cancel()


def _existing(places: Places) -> Path:
    """A folder on the disk where models are kept."""
    places.cache.mkdir(parents=True, exist_ok=True)
    return places.cache


def _order(places: Places, settings: Settings, node: SwarmNode, facts: Facts | None) -> Order:
    """What to host. The host process finds the swarm through this engine, too."""
    return Order(
        model=settings.model or str(demo_model_path()),
        layers=settings.layers,
        device=settings.device,
        dtype=settings.dtype,
        quantization=settings.quantization,
        public_name=settings.public_name,
        initial_peers=[*settings.initial_peers, *node.address],
        listen=[any_port(address) for address in settings.listen],
        identity_file=str(places.host_identity_file),
        memory_bytes=lent_bytes(facts, rules_of(settings)),
        compute_share=settings.compute_share,
        upload_bytes_s=upload_bytes_s(settings),
        own_peer=node.peer,
    )


def any_port(address: str) -> str:
    """A multiaddress to listen at, with the same network and protocol, and a port that is free.

    The engine itself listens at the port that was asked for.
    """
    return re.sub(r"/(tcp|udp)/\d+", r"/\1/0", address)
