"""`meadow swarm …`: commands about a swarm as a whole, one file for each."""

from __future__ import annotations

import argparse

from meadow_engine.cli import swarm_status
from meadow_engine.cli.options import add_base_dir

HELP = "look at a swarm"

_COMMANDS = {"status": swarm_status}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(dest="swarm", metavar="COMMAND", required=True)
    for name, module in _COMMANDS.items():
        command = commands.add_parser(name, help=module.HELP, description=module.HELP)
        module.add_arguments(command)
        add_base_dir(command)


def run(arguments: argparse.Namespace) -> int:
    return int(_COMMANDS[arguments.swarm].run(arguments))
