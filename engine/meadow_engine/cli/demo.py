"""`meadow demo`: a swarm of several engines on this computer, and a chat on top.

Each engine is a process of its own with a part of the bundled model. With a display the tray and chat window open,
else the terminal is the chat.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from meadow_engine.cli.chat import add_question, converse
from meadow_engine.cli.console import DONE, has_display, note, run_loop, say_ready, stop_event
from meadow_engine.cli.options import add_json, places_of

if TYPE_CHECKING:
    from meadow_engine.local_swarm import LocalEngine, LocalSwarm

HELP = "run a small swarm with the bundled model on this computer, and chat with it"
_PATIENCE_S = 30.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--engines", type=int, default=3, choices=range(1, 9), metavar="N", help="1 to 8; default 3")
    parser.add_argument("--no-gui", action="store_true", help="chat in the terminal")
    parser.add_argument("--no-window", action="store_true", help="no chat at all: serve until ended")
    add_question(parser)
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    return run_loop(_demo(arguments))


async def _demo(arguments: argparse.Namespace) -> int:
    from meadow_assets import demo_model_path
    from meadow_client.models.description import describe
    from meadow_engine.local_swarm import local_swarm, split_layers

    is_terminal = arguments.no_gui or arguments.prompt is not None
    stop = None if is_terminal else stop_event()
    model = str(demo_model_path())
    spans = split_layers(describe(model).num_layers, arguments.engines)
    note(f"Starting {len(spans)} engines on this computer …")
    async with local_swarm(model, spans, on_ready=_tell) as swarm:
        if is_terminal:
            from meadow_engine.cli.client_end import joined_answerer

            async with joined_answerer(model, swarm.address, _PATIENCE_S) as answerer:
                return await converse(answerer, arguments)
        assert stop is not None  # noqa: S101 - for the type checker
        return await _with_daemon(arguments, swarm, stop)


async def _with_daemon(arguments: argparse.Namespace, swarm: LocalSwarm, stop: asyncio.Event) -> int:
    from meadow_client.swarm.node import LOOPBACK
    from meadow_engine.api.places import find_places
    from meadow_engine.daemon import running_engine
    from meadow_engine.instance_lock import instance_lock
    from meadow_engine.kept_settings import KeptSettings

    base_dir: Path = getattr(arguments, "base_dir", None) or places_of(arguments).cache / "demo"
    places = find_places(base_dir)
    kept = KeptSettings(
        places.settings_file,
        {
            "initial_peers": swarm.address,
            "listen": list(LOOPBACK),
            "public_name": "this-computer",
            "device": "cpu",
            "mode": "always",
            "foreign_cpu_percent": 100,
        },
    )
    with instance_lock(places.engine_lock):
        async with running_engine(places, kept) as engine:
            say_ready(
                "demo",
                url=engine.status().base_url,
                base_dir=str(base_dir),
                engines=[{"pid": e.process.pid, "peer": e.peer, "layers": list(e.layers)} for e in swarm.engines],
            )
            if arguments.no_window or not has_display():
                await stop.wait()
                return DONE
            note("Opening the chat window. Quit Meadow there (Ctrl+Q), or press Ctrl-C here, to end the demo.")
            return await _run_desktop(base_dir, stop)


async def _run_desktop(base_dir: Path, stop: asyncio.Event) -> int:
    command = [sys.executable, "-m", "meadow_desktop", "--base-dir", str(base_dir), "--attach-only", "--chat"]
    process = await asyncio.create_subprocess_exec(*command)
    async with asyncio.TaskGroup() as group:
        closed = group.create_task(process.wait())
        asked = group.create_task(stop.wait())
        await asyncio.wait([closed, asked], return_when=asyncio.FIRST_COMPLETED)
        if not closed.done():
            process.terminate()
        await closed
        asked.cancel()
    return DONE


def _tell(engine: LocalEngine) -> None:
    start, end = engine.layers
    note(f"  engine {engine.peer[-8:]} holds layers {start}–{end - 1} (process {engine.process.pid})")
