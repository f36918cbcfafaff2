"""Ask the engine that runs on this computer."""

from __future__ import annotations

from typing import Any

import httpx

from meadow_client.errors import MeadowError
from meadow_engine.api.places import Places, read_running_engine


class NoEngineError(MeadowError):
    code = "no-engine"
    advice = "Start one with `meadow` or `meadow --no-gui`."

    def __init__(self) -> None:
        super().__init__("No engine of Meadow runs here")


def get(places: Places, path: str) -> Any:
    """The JSON that the running engine answers to `GET path`.

    Raises:
        NoEngineError: none runs, or it does not answer.
    """
    running = read_running_engine(places)
    if running is None:
        raise NoEngineError
    try:
        reply = httpx.get(
            running.url + path,
            headers={"Authorization": f"Bearer {running.token}"},
            timeout=10,
            trust_env=False,
        )
        reply.raise_for_status()
    except httpx.HTTPError as error:
        raise NoEngineError from error
    return reply.json()
