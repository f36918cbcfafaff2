"""A computer of the tests: a folder with settings, and what the engine says that runs in it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil

from fakes.processes import LOOPBACK, Program, is_gone, running_meadow, wait_until
from meadow_engine.api.places import find_places
from meadow_engine.api.status import EngineStatus

BEGINS_S = 60.0
# On this machine alone, and never kept from sharing by what else the machine does.
ANY_MACHINE: Mapping[str, object] = {
    "listen": [LOOPBACK],
    "device": "cpu",
    "dtype": "float32",
    "foreign_cpu_percent": 100,
    "memory_kept_gb": 0,
    "disk_kept_gb": 0,
    "share_on_battery": True,
    "share_metered": True,
    "too_hot_c": 110,
    "cool_again_c": 105,
}


class EngineFolder:
    """A base folder, and the engine that runs in it."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.places = find_places(base)

    def write_settings(self, settings: Mapping[str, object]) -> None:
        lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
        self.write("config/settings.toml", "\n".join(lines))

    def write(self, name: str, text: str) -> None:
        path = self.base / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    @contextmanager
    def engine(self) -> Iterator[Program]:
        """It runs, and is ready, until the end of the block."""
        with running_meadow("--no-gui", "--base-dir", str(self.base)) as program:
            yield program

    def client(self) -> httpx.Client:
        """Speaks to the engine that runs now; the next one has another address and another key."""
        running = json.loads((self.base / "run" / "engine.json").read_text(encoding="utf-8"))
        headers = {"Authorization": f"Bearer {running['token']}"}
        return httpx.Client(base_url=running["url"], headers=headers, timeout=20)

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> httpx.Response:
        with self.client() as http:
            return http.request(method, path, json=body)

    def status(self) -> EngineStatus:
        return EngineStatus.model_validate_json(self.ask("GET", "/api/status").content)

    def until(self, sharing: str, timeout_s: float = BEGINS_S) -> None:
        wait_until(lambda: self.status().sharing == sharing, timeout_s, f"the state {sharing}")


def hosts_of(engine: Program) -> list[psutil.Process]:
    """The processes that host layers now, without what they have started."""
    children = psutil.Process(engine.process.pid).children()
    return [child for child in children if child.name() != "p2pd" and not is_gone(child)]
