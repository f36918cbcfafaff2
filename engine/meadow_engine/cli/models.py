"""`meadow models`: which models the swarm holds, and how completely."""

from __future__ import annotations

import argparse
import json

from meadow_client.errors import describe_layers
from meadow_client.routing.chains import gaps
from meadow_engine.api.status import ModelStatus
from meadow_engine.cli.console import DONE, run_loop
from meadow_engine.cli.engine_api import get
from meadow_engine.cli.options import add_join, add_json, places_of

HELP = "list the models of a swarm"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_join(parser)
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    if arguments.join:
        found = _ask_swarm(arguments.join)
    else:
        found = [ModelStatus.model_validate(item) for item in get(places_of(arguments), "/api/models")]
    if arguments.json:
        print(json.dumps([model.model_dump() for model in found]))
    elif not found:
        print("The swarm holds no model now.")
    else:
        print("\n".join(describe(model) for model in found))
    return DONE


def describe(model: ModelStatus) -> str:
    """One line for people: a model, its servers, its gaps."""
    servers = f"{model.servers} server{'' if model.servers == 1 else 's'}"
    missing = gaps(model.coverage)
    state = "complete" if not missing else f"missing {describe_layers(missing)}"
    return f"{model.id}: {model.num_layers} layers, context {model.context_length}, {servers}, {state}"


def _ask_swarm(join: list[str]) -> list[ModelStatus]:
    found: list[ModelStatus] = []

    async def ask() -> int:
        from meadow_client.identity import new_identity
        from meadow_client.invitation import read_addresses
        from meadow_client.swarm.node import SwarmNode
        from meadow_engine.swarm_overview import overview

        async with SwarmNode.running(new_identity(), read_addresses(join), listen=None) as node:
            found.extend(model.status() for model in overview(await node.directory.all_servers()))
        return DONE

    run_loop(ask())
    return found
