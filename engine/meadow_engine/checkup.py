"""Look at this computer the way a helpful friend would: what is there, what is missing, what to do about it."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

import psutil

from meadow_client.errors import MeadowError
from meadow_engine.api.places import Places, read_running_engine
from meadow_engine.policy.facts import Facts
from meadow_engine.settings_file import read_leniently, read_settings

_GIB = 1024**3
_LEAST_DISK_GIB = 2
_LEAST_MEMORY_GIB = 2


@dataclass(frozen=True)
class Check:
    """One finding; `advice` says what to do where it is not well."""

    name: str
    is_ok: bool
    finding: str
    advice: str = ""


def check_all(places: Places) -> list[Check]:
    """All checks, in the order in which their failures matter."""
    checks: list[Callable[[], Check]] = [
        _python,
        _torch,
        _device,
        _memory,
        lambda: _disk(places.data),
        lambda: _writable(places),
        lambda: _settings(places),
        _bundled_model,
        _network_part,
        _desktop,
        lambda: check_presence(places),
        lambda: _engine(places),
    ]
    return [check() for check in checks]


def _python() -> Check:
    version = ".".join(map(str, sys.version_info[:3]))
    return Check("Python", sys.version_info >= (3, 11), version, "Meadow needs Python 3.11 or newer.")


def _torch() -> Check:
    try:
        import torch
        import transformers
    except ImportError as error:
        return Check(
            "Libraries",
            False,
            f"{error.name} cannot be imported",
            "Install with `pip install 'meadow[engine]'`.",
        )
    return Check("Libraries", True, f"torch {torch.__version__}, transformers {transformers.__version__}")


def _device() -> Check:
    from meadow_engine.runtime.device import choose_device, free_bytes

    device = choose_device(None)
    return Check("Device", True, f"{device}, {free_bytes(device) / _GIB:.1f} GiB free")


def _memory() -> Check:
    free = psutil.virtual_memory().available / _GIB
    return Check("Memory", free >= _LEAST_MEMORY_GIB, f"{free:.1f} GiB available", "Close some programs.")


def _disk(folder: Path) -> Check:
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free / _GIB
    return Check("Disk", free >= _LEAST_DISK_GIB, f"{free:.1f} GiB free at {folder}", "Make room on this disk.")


def _writable(places: Places) -> Check:
    for folder in (places.configuration, places.data, places.cache, places.logs, places.runtime):
        existing = folder
        while not existing.exists():
            existing = existing.parent
        if not os.access(existing, os.W_OK):
            return Check("Folders", False, f"{existing} cannot be written", "Change its permissions or use --base-dir.")
    return Check("Folders", True, f"configuration in {places.configuration}")


def _settings(places: Places) -> Check:
    try:
        read_settings(places.settings_file)
    except MeadowError as error:
        return Check("Settings", False, str(error), error.advice)
    found = "as in the file" if places.settings_file.exists() else "defaults; there is no file"
    return Check("Settings", True, found)


def _bundled_model() -> Check:
    from meadow_assets import demo_model_path
    from meadow_client.models.description import describe

    try:
        description = describe(str(demo_model_path()))
    except MeadowError as error:
        return Check("Bundled model", False, str(error), "Install Meadow again.")
    return Check("Bundled model", True, f"{description.name}, {description.num_layers} layers")


def _network_part() -> Check:
    from meadow_client.identity import new_identity
    from meadow_client.swarm.node import LOOPBACK, SwarmNode

    async def start() -> None:
        async with SwarmNode.running(new_identity(), listen=LOOPBACK):
            pass

    try:
        asyncio.run(start())
    except MeadowError as error:
        return Check("Network part", False, str(error), error.advice)
    return Check("Network part", True, "a peer starts and listens on this computer")


def _desktop() -> Check:
    if importlib.util.find_spec("PySide6") is None:
        return Check("Desktop", True, "not installed; `meadow --no-gui` works without it")
    has_display = sys.platform != "linux" or "DISPLAY" in os.environ or "WAYLAND_DISPLAY" in os.environ
    return Check("Desktop", True, "installed" + ("" if has_display else "; no display here, so use --no-gui"))


def check_presence(places: Places, environment: Mapping[str, str] = os.environ) -> Check:
    """Whether sharing can begin when the person leaves. Looks for itself, as an engine started here would."""
    from meadow_engine.senses.choose import find_senses
    from meadow_engine.senses.overview import present_senses
    from meadow_engine.settings_layers import read_variables

    settings = read_leniently(places.settings_file, [read_variables(environment)]).settings

    async def look() -> tuple[Facts, str, str]:
        senses, idle = await find_senses(
            programs=lambda: settings.programs,
            folder=places.cache,
            is_computing=lambda: False,
            on_active=lambda: None,
            environment=environment,
        )
        async with aclosing(senses):
            facts = await senses.read()
            return facts, present_senses(facts, senses.senses), idle.advice

    facts, finding, advice = asyncio.run(look())
    is_ok = facts.idle_s is not None or settings.mode != "when-idle" or not settings.share
    return Check("Knows whether you are there", is_ok, finding, advice)


def _engine(places: Places) -> Check:
    running = read_running_engine(places)
    if running is None:
        return Check("Engine", True, "not running")
    if not psutil.pid_exists(running.pid):
        return Check(
            "Engine",
            False,
            f"{places.engine_file} names a process that is gone",
            "Start Meadow again, or delete the file.",
        )
    return Check("Engine", True, f"runs as process {running.pid} at {running.url}")
