"""`meadow gateway`: the OpenAI-compatible server alone, for a model in a swarm."""

from __future__ import annotations

import argparse

from meadow_engine.cli.console import DONE, note, run_loop, say_ready, stop_event
from meadow_engine.cli.options import add_codec, add_draft, add_join, add_model, add_tethered, model_of, places_of

HELP = "serve a swarm's model to programs that speak OpenAI's API"
PATIENCE_S = 30.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_model(parser)
    add_join(parser)
    add_draft(parser)
    add_codec(parser)
    parser.add_argument("--port", type=int, default=0, metavar="N", help="default: any free port")
    parser.add_argument("--api-key", metavar="KEY", help="default: one kept in the configuration folder")
    add_tethered(parser)


def run(arguments: argparse.Namespace) -> int:
    return run_loop(_gateway(arguments))


async def _gateway(arguments: argparse.Namespace) -> int:
    from fastapi import FastAPI

    from meadow_client.gateway.app import create_router, handle_errors
    from meadow_client.gateway.askable import OnlyModel
    from meadow_client.gateway.security import LocalOnly
    from meadow_engine.cli.client_end import joined_answerer
    from meadow_engine.http_server import load_or_create_key, serving_http

    stop = stop_event(is_tethered=arguments.tethered)
    key_file = places_of(arguments).api_key_file
    key = arguments.api_key or load_or_create_key(key_file)
    joined = joined_answerer(
        model_of(arguments), arguments.join, PATIENCE_S, draft=arguments.draft, codec=arguments.codec
    )
    async with joined as answerer:
        app = FastAPI(title="Meadow gateway", docs_url=None, redoc_url=None, openapi_url=None)
        app.include_router(create_router(OnlyModel(answerer)))
        handle_errors(app)
        async with serving_http(LocalOnly(app, key), arguments.port) as url:
            say_ready("gateway", url=f"{url}/v1")
            if not arguments.api_key:
                note(f"The API key is in {key_file}.")
            await stop.wait()
    return DONE
