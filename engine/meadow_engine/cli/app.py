"""`meadow` and `meadow --no-gui`: the app with its tray, or the engine alone in the foreground."""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import logging
import os
import sys
from subprocess import call

from meadow_client.errors import MeadowError, UsageError
from meadow_engine.cli.console import DONE, has_display, note, run_loop, say_ready, stop_event
from meadow_engine.cli.live_status import show_status
from meadow_engine.cli.options import add_tethered, places_of
from meadow_engine.cli.settings_flags import add_setting_flags, flags_of

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--no-gui", action="store_true", help="run the engine in the foreground, without tray or windows"
    )
    parser.add_argument(
        "--events", action="store_true", help="with --no-gui: every change of the state as a JSON object on stdout"
    )
    add_tethered(parser)
    add_setting_flags(parser)


def run(arguments: argparse.Namespace) -> int:
    if arguments.no_gui:
        return run_loop(_run_engine(arguments))
    if flags_of(arguments):
        raise UsageError(
            "Settings are flags of `meadow --no-gui` only",
            "Change them on the app's Settings page or in settings.toml, or add --no-gui.",
        )
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
    from meadow_engine.kept_settings import KeptSettings
    from meadow_engine.log_files import ENGINE_LOG, logging_to

    places = places_of(arguments)
    stop = stop_event(is_tethered=arguments.tethered)
    with instance_lock(places.engine_lock), logging_to(places.logs / ENGINE_LOG):
        kept = KeptSettings(places.settings_file, flags_of(arguments), os.environ)
        for problem in kept.problems:
            log.warning("Settings: %s.", problem)
        is_first = True
        while not stop.is_set():
            async with running_engine(places, kept) as engine:
                status = engine.status()
                if is_first:
                    is_first = False
                    ready = {"peer": status.peer, "address": status.address, "url": status.base_url}
                    say_ready("engine", **ready, model=status.model)
                key_file = places.api_key_file
                note(f"Meadow runs. {status.base_url} answers; the API key is in {key_file}. Ctrl-C ends it.")
                async with asyncio.TaskGroup() as group:
                    showing = group.create_task(show_status(engine, is_json=arguments.events))
                    ends = [group.create_task(asked.wait()) for asked in (stop, engine.restart_asked)]
                    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
                    for task in (showing, *ends):
                        task.cancel()
                note("Ending: giving the layers back and leaving the swarm.")
    return DONE
