"""Options that several commands share."""

from __future__ import annotations

import argparse
from pathlib import Path

from meadow_engine.api.places import Places, find_places


def add_base_dir(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--base-dir",
        type=Path,
        metavar="DIR",
        default=argparse.SUPPRESS,
        help="keep configuration, data, cache and runtime files under DIR",
    )
    parser.add_argument("--quiet", action="store_true", default=argparse.SUPPRESS, help="log warnings only")
    parser.add_argument("--verbose", action="store_true", default=argparse.SUPPRESS, help="say more on stderr")


def add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "model", metavar="MODEL", help="a folder, a huggingface.co name, or `demo` for the bundled model"
    )


def add_join(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--join",
        action="append",
        default=[],
        metavar="ADDR",
        help="a computer of the swarm: a multiaddress with /p2p/PEER or a meadow:// invitation; may be repeated",
    )


def add_listen(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--listen",
        action="append",
        default=[],
        metavar="MULTIADDR",
        help="where other computers reach this one; default: any free TCP port on all networks",
    )


def add_draft(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--draft",
        metavar="MODEL",
        help="a small model with the same tokens; it runs on this computer and guesses what the swarm then confirms",
    )


def add_codec(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--codec",
        choices=["raw", "int8", "auto"],
        default="raw",
        help="how hidden states travel: as they are, or as int8, which needs fewer bytes and makes a small error;"
        " auto: as int8 while a connection is slower than the computers that it connects",
    )


def add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def add_tethered(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--tethered", action="store_true", help="end when stdin is closed")


def places_of(arguments: argparse.Namespace) -> Places:
    return find_places(getattr(arguments, "base_dir", None))


def model_of(arguments: argparse.Namespace) -> str:
    """MODEL as given; `demo` is the bundled model unless there is a folder of that name."""
    if arguments.model == "demo" and not Path("demo").is_dir():
        from meadow_assets import demo_model_path

        return str(demo_model_path())
    return str(arguments.model)
