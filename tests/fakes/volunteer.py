"""A real engine that shares the last layers of the bundled model with a swarm, and what a person sees of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil

from fakes.engine_folder import ANY_MACHINE, EngineFolder, hosts_of
from fakes.processes import Program

LAYERS = (4, 8)
SETTINGS: Mapping[str, object] = {
    **ANY_MACHINE,
    "layers": f"{LAYERS[0]}:{LAYERS[1]}",
    "share": True,
    "mode": "always",
}


class Volunteer(EngineFolder):
    """A folder in which an engine runs all the time. Create one with `running_volunteer`."""

    def __init__(self, base: Path, program: Program) -> None:
        super().__init__(base)
        self.program = program
        self._http = self.client()

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> httpx.Response:
        """Over one connection: some tests count how quickly an answer changes."""
        return self._http.request(method, path, json=body)

    def host(self) -> psutil.Process:
        """The process that hosts layers now."""
        return hosts_of(self.program)[0]

    def family(self) -> list[psutil.Process]:
        """The engine's process and all that it has started."""
        engine = psutil.Process(self.program.process.pid)
        return [engine, *engine.children(recursive=True)]

    def hang_up(self) -> None:
        self._http.close()


@contextmanager
def running_volunteer(base: Path, join: str, **changes: object) -> Iterator[Volunteer]:
    """An engine that shares with the swarm at `join`; `changes` are settings."""
    folder = EngineFolder(base)
    folder.write_settings({**SETTINGS, "initial_peers": [join], **changes})
    with folder.engine() as program:
        volunteer = Volunteer(base, program)
        try:
            yield volunteer
        finally:
            volunteer.hang_up()
