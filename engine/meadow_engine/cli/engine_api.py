"""Ask the engine that runs on this computer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx
from pydantic import ValidationError

from meadow_client.errors import MeadowError
from meadow_engine.api.errors import Problem
from meadow_engine.api.places import Places, read_running_engine

_TIMEOUT_S = 10.0


class NoEngineError(MeadowError):
    code = "no-engine"
    advice = "Start one with `meadow` or `meadow --no-gui`."

    def __init__(self) -> None:
        super().__init__("No engine of Meadow runs here")


class EngineRefusedError(MeadowError):
    """The engine answered with a problem."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message.rstrip("."), problem.advice)
        self.code = problem.code


def get(places: Places, path: str) -> Any:
    """The JSON that the running engine answers to `GET path`.

    Raises:
        NoEngineError: none runs, or it does not answer.
        EngineRefusedError: it answers that this is not possible.
    """
    return _ask(places, "GET", path, None)


def post(places: Places, path: str, body: Mapping[str, object], timeout_s: float = _TIMEOUT_S) -> Any:
    """The JSON that the running engine answers to `POST path`.

    Raises: as `get`.
    """
    return _ask(places, "POST", path, body, timeout_s)


def _ask(
    places: Places, method: str, path: str, body: Mapping[str, object] | None, timeout_s: float = _TIMEOUT_S
) -> Any:
    running = read_running_engine(places)
    if running is None:
        raise NoEngineError
    try:
        reply = httpx.request(
            method,
            running.url + path,
            json=body,
            headers={"Authorization": f"Bearer {running.token}"},
            timeout=timeout_s,
            trust_env=False,
        )
        if reply.is_error and (problem := _problem_of(reply)) is not None:
            raise EngineRefusedError(problem)
        reply.raise_for_status()
    except httpx.HTTPError as error:
        raise NoEngineError from error
    return reply.json()


def _problem_of(reply: httpx.Response) -> Problem | None:
    try:
        return Problem.model_validate_json(reply.content)
    except ValidationError:
        return None
