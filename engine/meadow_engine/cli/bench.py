"""`meadow bench`: measure a swarm side by side with local Transformers."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from meadow_engine.cli.console import DONE, note, run_loop
from meadow_engine.cli.options import add_join, add_json, model_of

HELP = "measure a swarm side by side with local Transformers"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    kinds = parser.add_subparsers(dest="bench", metavar="KIND", required=True)
    decode = kinds.add_parser("decode", help="tokens per second of one chat")
    decode.add_argument("model", metavar="MODEL", help="a folder, a name on huggingface.co, or `demo`")
    add_join(decode)
    decode.add_argument("--engines", type=int, default=3, metavar="N", help="without --join: start so many here")
    decode.add_argument("--tokens", type=int, default=32, metavar="N", help="new tokens of one run")
    decode.add_argument("--prompt-tokens", type=int, default=16, metavar="N")
    decode.add_argument("--runs", type=int, default=5, metavar="N", help="runs of each side, in turn")
    decode.add_argument("--dtype", default="float32", choices=["auto", "float32", "bfloat16", "float16"])
    decode.add_argument("--threads", type=int, default=1, metavar="N", help="torch threads of each process")
    add_json(decode)
    make = kinds.add_parser("make-model", help="write a random Llama-shaped model to measure with")
    make.add_argument("folder", type=Path, metavar="DIR")
    make.add_argument("--layers", type=int, default=12)
    make.add_argument("--hidden", type=int, default=1024)
    make.add_argument("--vocabulary", type=int, default=32000)
    make.add_argument("--seed", type=int, default=0)


def run(arguments: argparse.Namespace) -> int:
    if arguments.bench == "make-model":
        from meadow_engine.bench.random_model import write_random_llama

        write_random_llama(arguments.folder, arguments.layers, arguments.hidden, arguments.vocabulary, arguments.seed)
        note(f"Wrote a random Llama of {arguments.layers} layers to {arguments.folder}.")
        return DONE
    return run_loop(_decode(arguments))


async def _decode(arguments: argparse.Namespace) -> int:
    from meadow_engine.bench.decode import DecodeSettings, bench_decode
    from meadow_engine.bench.report import table

    settings = DecodeSettings(
        engines=arguments.engines,
        tokens=arguments.tokens,
        prompt_tokens=arguments.prompt_tokens,
        runs=arguments.runs,
        dtype=arguments.dtype,
        threads=arguments.threads,
    )
    report = await bench_decode(model_of(arguments), arguments.join, settings)
    print(json.dumps(report) if arguments.json else table(report))
    return DONE
