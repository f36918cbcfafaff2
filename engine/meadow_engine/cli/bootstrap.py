"""`meadow bootstrap`: a peer that holds no layers, at an address that stays, where others find the swarm."""

from __future__ import annotations

import argparse
from pathlib import Path

from meadow_engine.cli.console import DONE, run_loop, say_ready, stop_event
from meadow_engine.cli.options import add_join, add_listen, add_tethered, places_of

HELP = "run a meeting point for a swarm"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_listen(parser)
    add_join(parser)
    parser.add_argument("--identity", type=Path, metavar="FILE", help="default: one kept for this command")
    add_tethered(parser)


def run(arguments: argparse.Namespace) -> int:
    return run_loop(_bootstrap(arguments))


async def _bootstrap(arguments: argparse.Namespace) -> int:
    from meadow_client.identity import load_or_create_identity
    from meadow_client.invitation import read_addresses, write_invitation
    from meadow_client.swarm.node import EVERYWHERE, SwarmNode

    stop = stop_event(is_tethered=arguments.tethered)
    peers = read_addresses(arguments.join)
    identity = load_or_create_identity(arguments.identity or places_of(arguments).data / "bootstrap-identity")
    async with SwarmNode.running(identity, peers, arguments.listen or EVERYWHERE) as node:
        say_ready("bootstrap", peer=node.peer, address=node.address, invitation=write_invitation(node.address))
        await stop.wait()
    return DONE
