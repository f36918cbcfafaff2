"""`meadow status`: what the running engine does."""

from __future__ import annotations

import argparse

from meadow_client.errors import describe_layers
from meadow_engine.api.status import EngineStatus
from meadow_engine.cli.console import DONE
from meadow_engine.cli.engine_api import get
from meadow_engine.cli.options import add_json, places_of

HELP = "show what the engine on this computer does"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    status = EngineStatus.model_validate(get(places_of(arguments), "/api/status"))
    print(status.model_dump_json() if arguments.json else describe(status))
    return DONE


def describe(status: EngineStatus) -> str:
    """A few lines for people."""
    span = describe_layers([(status.span.start, status.span.end)]) if status.span else "no layers"
    lines = [
        ("Sharing", f"{status.sharing} — {status.sharing_detail}"),
        ("Holding", f"{span} of {status.model}"),
        ("Conversations", f"{status.sessions} now, {status.tokens_served} tokens served"),
        ("Swarm", f"{status.peers} peer{'' if status.peers == 1 else 's'} connected"),
        ("API", status.base_url),
        ("Peer", f"{status.peer} ({status.name})"),
        ("Running", f"version {status.version}, process {status.pid}, for {status.uptime_s:.0f} s"),
    ]
    return "\n".join(f"{name + ':':<15}{text}" for name, text in lines)
