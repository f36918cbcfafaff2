"""`meadow` and `meadow --no-gui`: the app with its tray, or the engine alone in the foreground."""

from __future__ import annotations

import argparse
import importlib.util
import sys
from subprocess import call

from meadow_client.errors import MeadowError
from meadow_engine.cli.console import DONE, has_display, note, run_loop, say_ready, stop_event
from meadow_engine.cli.options import add_tethered, places_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--no-gui", action="store_true", help="run the engine in the foreground, without tray or windows"
    )
    add_tethered(parser)


def run(arguments: argparse.Namespace) -> int:
    if arguments.no_gui:
        return run_loop(_run_engine(arguments))
    if importlib.util.find_spec("PySide6") is None:
        raise MeadowError(
            "The desktop is not installed here",
            "Install it with `pip install 'meadow[desktop]'`, or use `meadow --no-gui`.",
        )
    if not has_display():
        raise MeadowError("There is no display to show the app on", "Use `meadow --no-gui`.")
    command = [sys.executable, "-m", "meadow_desktop"]
    base_dir = getattr(arguments, "base_dir", None)
    return call([*command, "--base-dir", str(base_dir)] if base_dir else command)


async def _run_engine(arguments: argparse.Namespace) -> int:
    from meadow_engine.daemon import running_engine
    from meadow_engine.instance_lock import instance_lock
    from meadow_engine.settings_file import read_settings

    places = places_of(arguments)
    stop = stop_event(is_tethered=arguments.tethered)
    with instance_lock(places.engine_lock):
        settings = read_settings(places.settings_file)
        async with running_engine(places, settings) as engine:
            status = engine.status()
            say_ready("engine", peer=status.peer, address=status.address, url=status.base_url, model=status.model)
            note(f"Meadow runs. {status.base_url} answers; the API key is in {places.api_key_file}. Ctrl-C ends it.")
            await stop.wait()
            note("Ending: giving the layers back and leaving the swarm.")
    return DONE
