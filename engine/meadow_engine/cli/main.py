"""Choose the command and show its failures."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Protocol

from meadow_client.errors import UsageError
from meadow_engine.cli import (
    app,
    autostart,
    bench,
    bootstrap,
    chat,
    credits,
    demo,
    doctor,
    gateway,
    models,
    serve,
    status,
    swarm,
)
from meadow_engine.cli.console import DONE, FAILED, expected_error, fail, set_up_logging
from meadow_engine.cli.options import add_base_dir
from meadow_engine.cli.pausing import DrainCommand, PauseCommand, ResumeCommand
from meadow_engine.cli.settings_flags import flags_of


class Command(Protocol):
    """A module or an object that is one command."""

    HELP: str

    def add_arguments(self, parser: argparse.ArgumentParser, /) -> None: ...

    def run(self, arguments: argparse.Namespace, /) -> int: ...


_COMMANDS: dict[str, Command] = {
    "demo": demo,
    "serve": serve,
    "bootstrap": bootstrap,
    "chat": chat,
    "gateway": gateway,
    "status": status,
    "pause": PauseCommand(),
    "resume": ResumeCommand(),
    "drain": DrainCommand(),
    "credits": credits,
    "models": models,
    "swarm": swarm,
    "doctor": doctor,
    "autostart": autostart,
    "bench": bench,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `meadow` with these arguments (those of the process by default); its exit code."""
    parser = build_parser()
    parsed = parser.parse_args(arguments)
    set_up_logging(is_verbose=getattr(parsed, "verbose", False), is_quiet=getattr(parsed, "quiet", False))
    module = _COMMANDS.get(parsed.command, app)
    try:
        if module is not app and flags_of(parsed):
            raise UsageError(
                f"Flags of `meadow --no-gui` do not go with `meadow {parsed.command}`",
                f"`meadow {parsed.command} --help` says which do.",
            )
        return int(module.run(parsed))
    except KeyboardInterrupt:
        return DONE
    except BrokenPipeError:
        return FAILED
    except BaseException as error:
        expected = expected_error(error)
        if expected is None:
            raise
        return fail(expected)


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="meadow", description="Run language models too large for one computer, together with others."
    )
    add_base_dir(parser)
    app.add_arguments(parser)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    for name, module in _COMMANDS.items():
        command = commands.add_parser(name, help=module.HELP, description=module.HELP)
        module.add_arguments(command)
        add_base_dir(command)
    return parser


if __name__ == "__main__":
    sys.exit(main())
