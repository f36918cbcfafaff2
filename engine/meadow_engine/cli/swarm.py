"""`meadow swarm …`: which swarm this computer is in, and what a swarm holds."""

from __future__ import annotations

import argparse
from typing import Protocol

from meadow_engine.cli import swarm_status
from meadow_engine.cli.options import add_base_dir
from meadow_engine.cli.swarm_membership import JoinCommand, LeaveCommand, ListCommand, NewCommand, UseCommand

HELP = "make, join and leave swarms, and look at them"


class _Command(Protocol):
    """A module or an object that is one command."""

    HELP: str

    def add_arguments(self, parser: argparse.ArgumentParser, /) -> None: ...

    def run(self, arguments: argparse.Namespace, /) -> int: ...


_COMMANDS: dict[str, _Command] = {
    "new": NewCommand(),
    "join": JoinCommand(),
    "use": UseCommand(),
    "list": ListCommand(),
    "leave": LeaveCommand(),
    "status": swarm_status,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(dest="swarm", metavar="COMMAND", required=True)
    for name, module in _COMMANDS.items():
        command = commands.add_parser(name, help=module.HELP, description=module.HELP)
        module.add_arguments(command)
        add_base_dir(command)


def run(arguments: argparse.Namespace) -> int:
    return int(_COMMANDS[arguments.swarm].run(arguments))
