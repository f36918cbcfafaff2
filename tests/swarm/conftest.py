"""A swarm of three real engines with the bundled model, shared by the tests that do not break it; and a screen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.desktop_display import Display, missing_programs, running_display
from fakes.processes import API_KEY, Program, Swarm, running_meadow, running_swarm
from meadow_assets import demo_model_path

DEMO_SPANS = [(0, 3), (3, 4), (4, 8)]


@pytest.fixture(scope="session")
def demo_swarm() -> Iterator[Swarm]:
    with running_swarm(demo_model_path(), DEMO_SPANS) as swarm:
        yield swarm


@pytest.fixture(scope="session")
def gateway(demo_swarm: Swarm, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    base: Path = tmp_path_factory.mktemp("gateway")
    arguments = ["gateway", str(demo_swarm.model), "--join", demo_swarm.address, "--api-key", API_KEY]
    with running_meadow(*arguments, "--base-dir", str(base)) as program:
        yield program


@pytest.fixture
def display(monkeypatch: pytest.MonkeyPatch) -> Iterator[Display]:
    """A screen that nobody else uses; programs that are started now appear there."""
    missing = missing_programs()
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    with running_display() as running:
        for name in ("WAYLAND_DISPLAY", "XDG_SESSION_TYPE", "XAUTHORITY"):
            monkeypatch.delenv(name, raising=False)
        environment = running.environment()
        for name in ("DISPLAY", "DBUS_SESSION_BUS_ADDRESS", "XDG_CURRENT_DESKTOP"):
            monkeypatch.setenv(name, environment[name])
        yield running
