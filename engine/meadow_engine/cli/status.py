"""`meadow status`: what the running engine does."""

from __future__ import annotations

import argparse
import math

from meadow_client.errors import describe_layers
from meadow_engine.api.status import EngineStatus
from meadow_engine.cli.console import DONE
from meadow_engine.cli.engine_api import get
from meadow_engine.cli.options import add_json, places_of
from meadow_engine.policy.reasons import duration_words

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
        ("Sharing", describe_sharing(status)),
        ("Holding", f"{span} of {status.model}"),
        ("Conversations", f"{status.sessions} now, {status.tokens_served} tokens served"),
        ("Swarm", f"{status.peers} peer{'' if status.peers == 1 else 's'} connected"),
        ("API", status.base_url),
        ("Peer", f"{status.peer} ({status.name})"),
        ("Running", f"version {status.version}, process {status.pid}, for {status.uptime_s:.0f} s"),
    ]
    lines += [("Also", reason.sentence) for reason in status.reasons[1:]]
    lines += [("Advice", status.advice)] if status.advice else []
    lines += [("Settings", problem) for problem in status.problems]
    return "\n".join(f"{name + ':':<15}{text}" for name, text in lines)


def describe_sharing(status: EngineStatus) -> str:
    """One line: the state, why, and when sharing may begin."""
    line = f"{status.sharing} — {status.sharing_detail}"
    if status.may_begin_s:
        line += f" It may begin in {_rough_words(status.may_begin_s)}."
    return line


def _rough_words(seconds: float) -> str:
    """Such as `40 seconds` or `30 minutes`, never earlier than it is."""
    return duration_words(math.ceil(seconds) if seconds <= 90 else 60 * math.ceil(seconds / 60))
