"""`meadow bench`: measure a swarm side by side with local Transformers."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from meadow_client.errors import UsageError
from meadow_engine.bench.settings import KINDS, BenchSettings, check_settings, describe_settings, flag_of
from meadow_engine.cli.console import DONE, note, run_loop
from meadow_engine.cli.options import add_join, add_json, add_model, model_of

HELP = "measure a swarm side by side with local Transformers"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    kinds = parser.add_subparsers(dest="bench", metavar="KIND", required=True)
    for kind, (settings, words) in KINDS.items():
        command = kinds.add_parser(kind, help=words, description=words)
        add_model(command)
        add_join(command)
        _add_settings(command, settings)
        add_json(command)
    make = kinds.add_parser("make-model", help="write a random Llama-shaped model to measure with")
    make.add_argument("folder", type=Path, metavar="DIR")
    make.add_argument("--layers", type=int, default=12)
    make.add_argument("--hidden", type=int, default=1024)
    make.add_argument("--vocabulary", type=int, default=32000)
    make.add_argument("--seed", type=int, default=0)


def run(arguments: argparse.Namespace) -> int:
    if arguments.bench == "make-model":
        return _make_model(arguments)
    settings = read_settings(arguments)
    check_settings(settings)
    return run_loop(_bench(arguments, settings))


def read_settings(arguments: argparse.Namespace) -> BenchSettings:
    """What was typed, as the settings of its kind."""
    kind, _words = KINDS[arguments.bench]
    return kind(**{name: getattr(arguments, name) for name, *_ in describe_settings(kind)})


def _add_settings(parser: argparse.ArgumentParser, kind: type[BenchSettings]) -> None:
    for name, value_type, default, words in describe_settings(kind):
        if value_type is bool:
            parser.add_argument(flag_of(name), action="store_true", help=words.help)
            continue
        suffix = f"; default: {default}" if default else ""
        parser.add_argument(
            flag_of(name),
            type=value_type,
            default=default,
            choices=[choice for choice in words.choices if choice] or None,
            metavar="N" if value_type is int else None,
            help=words.help + suffix,
        )


def _make_model(arguments: argparse.Namespace) -> int:
    for name in ("layers", "hidden", "vocabulary"):
        if getattr(arguments, name) < 1:
            raise UsageError(f"--{name} is {getattr(arguments, name)} and has to be at least 1")
    if arguments.hidden % (64 if arguments.hidden > 64 else 2):
        raise UsageError(f"--hidden is {arguments.hidden} and has to be a multiple of 64, or an even number below")
    from meadow_engine.bench.random_model import write_random_llama

    write_random_llama(arguments.folder, arguments.layers, arguments.hidden, arguments.vocabulary, arguments.seed)
    note(f"Wrote a random Llama of {arguments.layers} layers to {arguments.folder}.")
    return DONE


async def _bench(arguments: argparse.Namespace, settings: BenchSettings) -> int:
    from meadow_engine.bench.measure import bench
    from meadow_engine.bench.table import table

    report = await bench(model_of(arguments), arguments.join, settings)
    print(json.dumps(report) if arguments.json else table(report))
    return DONE
