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
from contextlib import aclosing, asynccontextmanager, suppress
from pathlib import Path

from meadow_assets import demo_model_path
from meadow_client.identity import IdentityBrokenError, load_or_create_identity
from meadow_client.invitation import read_addresses
from meadow_client.models.answering import Answerer
from meadow_client.models.auto import make_client
from meadow_client.models.description import ModelDescription, describe
from meadow_client.models.room import Room
from meadow_client.session.swarm_client import ClientOptions
from meadow_client.swarm.listening import keep_ports
from meadow_client.swarm.node import EVERYWHERE, SwarmNode
from meadow_engine.accounting import Accounting
from meadow_engine.api.places import Places, RunningEngine, write_private
from meadow_engine.api.settings import Settings
from meadow_engine.chat_models import ChatModels
from meadow_engine.computer_overview import overview_of
from meadow_engine.control.app import create_app
from meadow_engine.control.computer import computer_routes
from meadow_engine.control.downloads import download_routes
from meadow_engine.control.restart import restart_routes
from meadow_engine.control.swarms import swarm_routes
from meadow_engine.downloads import running_downloads
from meadow_engine.engine import Engine
from meadow_engine.host.protocol import Order
from meadow_engine.hosting import installed_version, parse_layers
from meadow_engine.http_server import load_or_create_key, serving_http
from meadow_engine.kept_settings import KeptSettings
from meadow_engine.kept_swarms import SwarmToUse, listen_again, peers_fixed_by, saying_how_to_leave, swarm_to_use
from meadow_engine.kept_wishes import read_wishes
from meadow_engine.ledger import Ledger
from meadow_engine.loaded_answerers import LoadedAnswerers
from meadow_engine.monthly_volume import LookingAtVolume, MonthlyVolume
from meadow_engine.policy.facts import Facts
from meadow_engine.senses.choose import find_senses
from meadow_engine.sharing import Sharing
from meadow_engine.sharing_rules import lent_bytes, lent_gpus, rules_of, upload_bytes_s, volume_bytes
from meadow_engine.sharing_watch import SharingWatch
from meadow_engine.storage import cached_repositories, most_bytes
from meadow_engine.swarms import RunningIn, Swarms

_ANSWER_PATIENCE_S = 15.0


@asynccontextmanager
async def running_engine(places: Places, kept: KeptSettings) -> AsyncIterator[Engine]:
    """An engine that runs as long as the block; `engine.json` says where it is reached.

    Raises:
        MeadowError: for what cannot be started: the model, the swarm, a port.
    """
    settings = kept.settings
    swarm = swarm_to_use(places, settings, kept.overview())
    peers = read_addresses(swarm.peers)
    room = Room(lambda: most_bytes(kept.settings))
    description = await asyncio.to_thread(describe, settings.model or str(demo_model_path()), room)
    parse_layers(settings.layers)
    identity = load_or_create_identity(swarm.identity_file)
    key = load_or_create_key(places.api_key_file)
    listen = listen_again(settings.listen or EVERYWHERE, swarm.listen)
    async with saying_how_to_leave(swarm), SwarmNode.running(identity, peers, listen) as node:

        def order() -> Order:
            engine.hosting_with = kept.settings
            return _order(swarm, kept.settings, node, watch.facts)

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
        ledger = Ledger(places.ledger_file)
        accounting = Accounting(ledger, _host_peer(swarm.host_identity_file))
        sharing.on_helped = accounting.earn
        loop = asyncio.get_running_loop()

        def load(model: ModelDescription) -> Answerer:
            client = make_client(model, node, loop, options)
            accounting.count_spending(client, model)
            return Answerer.load(model, client)

        loaded = LoadedAnswerers(load)
        chats = ChatModels(
            description,
            entries=lambda: kept.settings.models,
            servers=node.directory.all_servers,
            describe=lambda source, may_fetch: describe(os.path.expanduser(source), room, may_fetch=may_fetch),
            cached=cached_repositories,
            loaded=loaded,
        )
        engine = Engine(places, kept, node, description, chats, sharing, watch, volume, lambda: idle.advice, accounting)
        watch.is_chatting = lambda: engine.is_answering
        running_in = RunningIn(
            key=swarm.key,
            peer=node.peer,
            address=lambda: node.address,
            listen=lambda: keep_ports(settings.listen or EVERYWHERE, node.address) or (),
            computers=lambda: engine.status().peers,
        )
        fixed_by = peers_fixed_by(kept.overview())
        swarms = Swarms(places, lambda: kept.settings.initial_peers, running_in, fixed_by)
        async with (
            aclosing(senses),
            aclosing(volume),
            aclosing(ledger),
            running_downloads(limit_bytes=lambda: most_bytes(kept.settings), file=places.downloads_file) as downloads,
            serving_http(
                create_app(
                    engine,
                    key,
                    [
                        swarm_routes(swarms),
                        download_routes(downloads),
                        computer_routes(lambda: overview_of(watch.facts, rules_of(kept.settings))),
                        restart_routes(engine.restart_asked.set),
                    ],
                ),
                settings.port,
            ) as url,
            asyncio.TaskGroup() as group,
        ):

            async def being_fetched() -> set[str]:
                return {download.model for download in await downloads.all() if download.state == "downloading"}

            engine.url, engine.being_fetched = url, being_fetched
            works = (
                sharing.run(),
                watch.run(),
                engine.count_peers(),
                engine.tell_changes(),
                engine.follow_settings_file(),
                volume.keep(),
                ledger.keep(),
                loaded.keep_few(),
            )
            tasks = [group.create_task(work) for work in works]
            await watch.looked()  # so that the first who asks hears why nothing is shared
            running = RunningEngine(pid=os.getpid(), url=url, token=key, version=installed_version())
            write_private(places.engine_file, running.model_dump_json())
            try:
                yield engine
            finally:
                with suppress(OSError):  # a disk that became read-only; the word of a dead engine does no harm
                    places.engine_file.unlink(missing_ok=True)
                await loaded.aclose()
                for task in tasks:
                    task.cancel()


def _host_peer(identity_file: Path) -> str:
    """Who the host process will be; nobody, where its identity is damaged: it says so itself when it begins."""
    try:
        return load_or_create_identity(identity_file).peer
    except IdentityBrokenError:
        return ""


def _existing(places: Places) -> Path:
    """A folder on the disk where models are kept."""
    places.cache.mkdir(parents=True, exist_ok=True)
    return places.cache


def _order(swarm: SwarmToUse, settings: Settings, node: SwarmNode, facts: Facts | None) -> Order:
    """What to host. The host process finds the swarm through this engine, too."""
    return Order(
        model=settings.model or str(demo_model_path()),
        layers=settings.layers,
        device=settings.device,
        dtype=settings.dtype,
        quantization=settings.quantization,
        public_name=settings.public_name,
        initial_peers=[*swarm.peers, *node.address],
        listen=[any_port(address) for address in settings.listen],
        identity_file=str(swarm.host_identity_file),
        memory_bytes=lent_bytes(facts, rules_of(settings)),
        compute_share=settings.compute_share,
        upload_bytes_s=upload_bytes_s(settings),
        own_peer=node.peer,
        models_bytes=most_bytes(settings),
    )


def any_port(address: str) -> str:
    """A multiaddress to listen at, with the same network and protocol, and a port that is free.

    The engine itself listens at the port that was asked for.
    """
    return re.sub(r"/(tcp|udp)/\d+", r"/\1/0", address)
