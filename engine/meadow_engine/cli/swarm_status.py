"""`meadow swarm status`: who holds what in a swarm, from its directory alone; no engine has to run here."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from meadow_client.errors import MeadowError, UsageError, describe_layers
from meadow_engine.api.places import Places
from meadow_engine.api.swarm import ModelOverview, SwarmOverview, SwarmServer
from meadow_engine.cli.console import DONE, run_loop
from meadow_engine.cli.engine_api import NoEngineError, get
from meadow_engine.cli.options import add_join, add_json, places_of
from meadow_engine.swarm_overview import find_model, overview

HELP = "show which computers hold which layers, and how fast a chain of them would be"

_WIDTH_WITHOUT_TERMINAL = 120
_BAR_WIDTHS = 16, 64
_NAME_WIDTH = 24
# What stands right of the bars.
_FACTS_WIDTH = 56
# By how many computers hold a layer: nobody, one, two, three, more.
_HEIGHTS = "·▂▄▆█"
_HELD, _NOT_HELD = "█", "·"


class ModelNotInSwarmError(MeadowError):
    code = "model-not-in-swarm"
    advice = "`meadow swarm status` without MODEL shows all that are there."

    def __init__(self, model: str) -> None:
        super().__init__(f"No computer in the swarm holds layers of {model} now")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "model", nargs="?", metavar="MODEL", help="only this one: a folder, a name, or `demo` for the bundled model"
    )
    add_join(parser)
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    addresses = _find_addresses(arguments)
    found: list[ModelOverview] = []

    async def ask() -> int:
        from meadow_client.identity import new_identity
        from meadow_client.swarm.node import SwarmNode

        async with SwarmNode.running(new_identity(), addresses, listen=None) as node:
            found.extend(overview(await node.directory.all_servers()))
        return DONE

    run_loop(ask())
    if arguments.model is not None:
        found = find_model(found, _wanted(arguments.model))
        if not found:
            raise ModelNotInSwarmError(arguments.model)
    if arguments.json:
        print(SwarmOverview(models=found).model_dump_json())
    elif not found:
        print("The swarm holds no model now.")
    else:
        width = shutil.get_terminal_size((_WIDTH_WITHOUT_TERMINAL, 24)).columns
        print("\n\n".join(describe(model, width) for model in found))
    return DONE


def describe(model: ModelOverview, width: int = _WIDTH_WITHOUT_TERMINAL) -> str:
    """A picture of a model for people: a head, a column for each layer, a row for each computer."""
    state = (
        "complete"
        if model.is_complete
        else f"missing {describe_layers([(gap.start, gap.end) for gap in model.missing])}"
    )
    layers = "1 layer" if model.num_layers == 1 else f"{model.num_layers} layers"
    lines = [f"{model.id}: {layers}, context {model.context_length}, {state}"]
    names = {server.peer: _short(server.name) for server in model.servers}
    if model.chain is not None and model.tokens_per_second is not None:
        way = " → ".join(names[leg.peer] for leg in model.chain)
        lines.append(f"Best chain now: about {_rate(model.tokens_per_second)} tokens/s by way of {way}")
    else:
        lines.append("No chain now: nobody can answer before somebody holds what is missing")
    least, most = _BAR_WIDTHS
    room = width - max(map(len, names.values())) - _FACTS_WIDTH
    columns = min(model.num_layers, max(least, min(most, room)))
    rows = [_scale_row(model, columns), _coverage_row(model, columns)]
    lines += ["", *_table([*rows, *(_row(server, model, columns) for server in model.servers)])]
    return "\n".join(lines)


def coverage_bar(counts: Sequence[int], columns: int) -> str:
    """One character for each layer, or for several of a deep model; the least covered of them counts."""
    return "".join(_HEIGHTS[min(min(part), len(_HEIGHTS) - 1)] for part in _parts(counts, columns))


def span_bar(server: SwarmServer, num_layers: int, columns: int) -> str:
    """The layers of one computer, in the columns of `coverage_bar`."""
    held = [int(server.start <= layer < server.end) for layer in range(num_layers)]
    return "".join(_HELD if any(part) else _NOT_HELD for part in _parts(held, columns))


def _parts(values: Sequence[int], count: int) -> list[Sequence[int]]:
    edges = [part * len(values) // count for part in range(count + 1)]
    return [values[first:last] for first, last in pairwise(edges)]


def _scale_row(model: ModelOverview, columns: int) -> list[str]:
    last = str(model.num_layers - 1)
    return ["layer", "0" + last.rjust(columns - 1) if columns > len(last) else "0"]


def _coverage_row(model: ModelOverview, columns: int) -> list[str]:
    least, most = min(model.coverage), max(model.coverage)
    copies = "not all" if least == 0 else str(least) if least == most else f"{least} to {most}"
    return ["copies", coverage_bar(model.coverage, columns), copies]


def _row(server: SwarmServer, model: ModelOverview, columns: int) -> list[str]:
    rate = "not measured" if server.tokens_per_second is None else f"{_rate(server.tokens_per_second)} tokens/s"
    layers = describe_layers([(server.start, server.end)]).rpartition(" ")[2]
    bar = span_bar(server, model.num_layers, columns)
    return [_short(server.name), bar, layers, rate, server.dtype, server.version, f"…{server.peer[-8:]}"]


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows if len(row) > column) for column in range(max(map(len, rows)))]
    padded = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)) for row in rows)
    return [f"  {line}".rstrip() for line in padded]


def _rate(tokens_per_second: float) -> str:
    return f"{tokens_per_second:,.0f}" if tokens_per_second >= 10 else f"{tokens_per_second:.1f}"


def _short(name: str) -> str:
    return name if len(name) <= _NAME_WIDTH else name[: _NAME_WIDTH - 1] + "…"


def _wanted(model: str) -> str:
    """What was typed, as a fingerprint where it is a folder or the bundled model."""
    from meadow_assets import demo_model_path
    from meadow_client.models.description import describe as describe_model

    if Path(model).is_dir():
        return describe_model(model).fingerprint
    return describe_model(str(demo_model_path())).fingerprint if model == "demo" else model


def _find_addresses(arguments: argparse.Namespace) -> list[str]:
    """Where to join: as told, or in the swarm in use, or where the engine of this computer listens.

    Raises:
        UsageError: there is no such thing.
        SwarmsBrokenError: nobody can say which swarm is in use.
    """
    from meadow_client.invitation import read_addresses

    places = places_of(arguments)
    addresses = read_addresses(arguments.join or _kept_addresses(places))
    if addresses:
        return addresses
    try:
        listening = get(places, "/api/status")["address"]
    except NoEngineError:
        listening = []
    if not listening:
        raise UsageError(
            "No swarm was named, and no engine of Meadow runs here",
            "Give --join with the address or invitation of a computer in the swarm.",
        )
    return [str(address) for address in listening]


def _kept_addresses(places: Places) -> list[str]:
    """Of the swarm in use; empty where nobody else's address is known."""
    from meadow_engine.kept_swarms import read_kept
    from meadow_engine.settings_file import read_leniently

    used = read_kept(places).used
    return read_leniently(places.settings_file).settings.initial_peers if used is None else used.peers
