"""A real engine that shares the last layers of the bundled model with a swarm, and what a person sees of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil

from fakes.processes import LOOPBACK, Program, close, is_gone, start_meadow, wait_ready, wait_until
from meadow_engine.api.status import EngineStatus

BEGINS_S = 60.0
LAYERS = (4, 8)
SETTINGS: Mapping[str, object] = {
    "listen": [LOOPBACK],
    "device": "cpu",
    "dtype": "float32",
    "layers": f"{LAYERS[0]}:{LAYERS[1]}",
    "share": True,
    "mode": "always",
    "foreign_cpu_percent": 100,
    "memory_kept_gb": 0,
    "disk_kept_gb": 0,
    "share_on_battery": True,
    "share_metered": True,
    "too_hot_c": 110,
    "cool_again_c": 105,
}


class Volunteer:
    """A base folder with settings, and the engine that runs in it. Create one with `running_volunteer`."""

    def __init__(self, base: Path, program: Program) -> None:
        self.base = base
        self.program = program
        running = json.loads((base / "run" / "engine.json").read_text())
        headers = {"Authorization": f"Bearer {running['token']}"}
        self._http = httpx.Client(base_url=running["url"], headers=headers, timeout=20)

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> httpx.Response:
        return self._http.request(method, path, json=body)

    def status(self) -> EngineStatus:
        return EngineStatus.model_validate_json(self.ask("GET", "/api/status").content)

    def until(self, sharing: str, timeout_s: float = BEGINS_S) -> None:
        wait_until(lambda: self.status().sharing == sharing, timeout_s, f"the state {sharing}")

    def host(self) -> psutil.Process:
        """The process that hosts layers now."""
        children = psutil.Process(self.program.process.pid).children()
        return next(child for child in children if child.name() != "p2pd" and not is_gone(child))

    def family(self) -> list[psutil.Process]:
        """The engine's process and all that it has started."""
        engine = psutil.Process(self.program.process.pid)
        return [engine, *engine.children(recursive=True)]

    def close(self) -> None:
        self._http.close()
        close(self.program)


@contextmanager
def running_volunteer(base: Path, join: str, **changes: object) -> Iterator[Volunteer]:
    """An engine that shares with the swarm at `join`; `changes` are settings."""
    (base / "config").mkdir(parents=True, exist_ok=True)
    settings = {**SETTINGS, "initial_peers": [join], **changes}
    lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
    (base / "config" / "settings.toml").write_text("\n".join(lines))
    program = start_meadow("--no-gui", "--base-dir", str(base))
    try:
        wait_ready(program)
    except BaseException:
        close(program)
        raise
    volunteer = Volunteer(base, program)
    try:
        yield volunteer
    finally:
        volunteer.close()
