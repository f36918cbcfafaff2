"""`meadow serve`: host exactly one span now, without the idle policy."""

from __future__ import annotations

import argparse
import platform
from pathlib import Path

from meadow_engine.cli.console import DONE, run_loop, say_ready, stop_event
from meadow_engine.cli.options import add_join, add_listen, add_model, add_tethered, model_of

HELP = "host layers of a model now"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_model(parser)
    parser.add_argument("--layers", default="", metavar="A:B", help="half open; without it the placement decides")
    add_join(parser)
    add_listen(parser)
    parser.add_argument("--device", default="auto", help="cpu, cuda, cuda:1, mps; default: the best there is")
    parser.add_argument("--dtype", default="auto", choices=["auto", "float32", "bfloat16", "float16"])
    parser.add_argument("--quantization", default="none", choices=["none", "int8", "nf4"])
    parser.add_argument("--public-name", default=platform.node()[:64] or "meadow", metavar="NAME")
    parser.add_argument("--identity", type=Path, metavar="FILE", help="keep the same peer id between runs")
    parser.add_argument(
        "--status-file", type=Path, metavar="FILE", help="keep a JSON object there that says what clients hold now"
    )
    add_tethered(parser)


def run(arguments: argparse.Namespace) -> int:
    return run_loop(_serve(arguments))


async def _serve(arguments: argparse.Namespace) -> int:
    from meadow_client.identity import load_or_create_identity, new_identity
    from meadow_client.invitation import read_addresses
    from meadow_client.models.description import describe
    from meadow_client.swarm.node import EVERYWHERE, SwarmNode
    from meadow_engine.hosting import HostOptions, check_layers, hosting, parse_layers
    from meadow_engine.runtime.device import choose_device
    from meadow_engine.runtime.span import LoadOptions
    from meadow_engine.serving.usage import keep_written

    stop = stop_event(is_tethered=arguments.tethered)
    layers = parse_layers(arguments.layers)
    peers = read_addresses(arguments.join)
    description = describe(model_of(arguments))
    if layers is not None:
        check_layers(layers, description.num_layers)
    options = HostOptions(layers, LoadOptions(arguments.dtype, arguments.quantization), arguments.public_name)
    device = choose_device(arguments.device)
    identity = load_or_create_identity(arguments.identity) if arguments.identity else new_identity()
    async with (
        SwarmNode.running(identity, peers, arguments.listen or EVERYWHERE) as node,
        hosting(node, description, device, options) as hosted,
        keep_written(arguments.status_file, hosted.usage),
    ):
        span = hosted.span
        say_ready("serve", peer=node.peer, address=node.address, model=description.name, layers=[span.start, span.end])
        await stop.wait()
    return DONE
