"""`meadow autostart`: whether Meadow starts by itself when this person logs in."""

from __future__ import annotations

import argparse
import importlib.util
import json
from dataclasses import asdict, dataclass

from meadow_client.errors import MeadowError
from meadow_engine.cli.console import DONE
from meadow_engine.cli.options import add_json

HELP = "start Meadow when you log in, or do so no longer"


@dataclass(frozen=True)
class Entry:
    """One thing that may start by itself, as it is now."""

    is_on: bool
    description: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=("on", "off", "status"))
    parser.add_argument(
        "--headless",
        action="store_true",
        help="the engine alone, as `meadow --no-gui`; default: on for the app with its tray, off and status for both",
    )
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    is_both = arguments.action != "on" and not arguments.headless
    kinds = (False, True) if is_both else (bool(arguments.headless),)
    if arguments.action == "on":
        _switch_on(arguments)
    elif arguments.action == "off":
        _switch_off(kinds)
    entries = {"engine" if is_headless else "app": _look(is_headless) for is_headless in kinds}
    if arguments.json:
        print(json.dumps({name: asdict(entry) for name, entry in entries.items()}))
    else:
        print("\n".join(describe(name, entry) for name, entry in entries.items()))
    return DONE


def describe(name: str, entry: Entry) -> str:
    """One line for people."""
    if entry.is_on:
        return f"{name + ':':<8}on — {entry.description}"
    return f"{name + ':':<8}off"


def _switch_on(arguments: argparse.Namespace) -> None:
    from meadow_engine.autostart.choose import choose
    from meadow_engine.autostart.own_command import own_command

    if not arguments.headless and importlib.util.find_spec("PySide6") is None:
        raise MeadowError(
            "The desktop is not installed here, so there is no app to start",
            "Install it with `pip install 'meadow[desktop]'`, or add --headless for the engine alone.",
        )
    base_dir = getattr(arguments, "base_dir", None)
    way = choose(is_headless=arguments.headless)
    way.switch_on(own_command(is_headless=arguments.headless, base_dir=base_dir))


def _switch_off(kinds: tuple[bool, ...]) -> None:
    from meadow_engine.autostart.choose import choose
    from meadow_engine.autostart.interface import AutostartUnavailableError

    for is_headless in kinds:
        try:
            way = choose(is_headless=is_headless)
        except AutostartUnavailableError:
            continue  # what cannot be on is off
        way.switch_off()


def _look(is_headless: bool) -> Entry:
    from meadow_engine.autostart.choose import choose
    from meadow_engine.autostart.interface import AutostartUnavailableError

    try:
        way = choose(is_headless=is_headless)
    except AutostartUnavailableError as error:
        return Entry(False, str(error))
    return Entry(way.is_on(), way.describe())
