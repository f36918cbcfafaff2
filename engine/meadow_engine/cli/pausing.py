"""`meadow pause`, `meadow resume`, `meadow drain`: what the running engine shares, from any terminal."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import get_args

from meadow_engine.api.commands import PauseLength
from meadow_engine.api.status import EngineStatus
from meadow_engine.cli.console import DONE
from meadow_engine.cli.engine_api import post
from meadow_engine.cli.options import add_json, places_of
from meadow_engine.cli.status import describe_sharing


class PauseCommand:
    """`meadow pause [LENGTH]`."""

    HELP = "share nothing for a while, and give everything back at once"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "length",
            nargs="?",
            default="resumed",
            choices=get_args(PauseLength),
            metavar="30m|1h|4h|restart",
            help="how long; without it, until you resume; restart: until the engine is started again",
        )
        add_json(parser)

    def run(self, arguments: argparse.Namespace) -> int:
        return _command(arguments, "/api/pause", {"length": arguments.length})


class ResumeCommand:
    """`meadow resume`."""

    HELP = "end a pause, and share as soon as nothing speaks against it"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        add_json(parser)

    def run(self, arguments: argparse.Namespace) -> int:
        return _command(arguments, "/api/resume", {})


class DrainCommand:
    """`meadow drain`."""

    HELP = "hand conversations over, and share nothing until resumed"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        add_json(parser)

    def run(self, arguments: argparse.Namespace) -> int:
        return _command(arguments, "/api/drain", {})


def _command(arguments: argparse.Namespace, path: str, body: Mapping[str, object]) -> int:
    status = EngineStatus.model_validate(post(places_of(arguments), path, body))
    print(status.model_dump_json() if arguments.json else describe_sharing(status))
    return DONE
