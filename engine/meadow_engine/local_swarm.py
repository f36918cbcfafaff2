"""A swarm of several engines on this computer, each a process of its own, for the demo and for benchmarks."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from meadow_client.errors import MeadowError
from meadow_client.identity import new_identity
from meadow_client.swarm.node import LOOPBACK, SwarmNode

_READY_TIMEOUT_S = 120.0
_END_TIMEOUT_S = 10.0


class EngineFailedError(MeadowError):
    code = "engine-failed"
    advice = "Run `meadow serve MODEL --layers A:B` by itself to see why."


@dataclass(frozen=True)
class LocalEngine:
    """One engine process and what it said when it was ready."""

    process: asyncio.subprocess.Process
    layers: tuple[int, int]
    peer: str
    address: list[str]
    status_file: Path | None = None
    """Where it keeps what clients hold (`serving/usage.py`), if it was told to."""


def split_layers(num_layers: int, parts: int) -> list[tuple[int, int]]:
    """Consecutive spans of nearly equal size, the larger ones first: 8 in 3 is 0:3, 3:6, 6:8."""
    parts = max(1, min(parts, num_layers))
    size, larger = divmod(num_layers, parts)
    bounds = [0]
    for index in range(parts):
        bounds.append(bounds[-1] + size + (1 if index < larger else 0))
    return list(pairwise(bounds))


@dataclass(frozen=True)
class LocalSwarm:
    """Where to join the swarm, its engines in the order of `spans`, and how another one is started for a span."""

    address: list[str]
    engines: list[LocalEngine]
    start: Callable[[tuple[int, int]], Coroutine[Any, Any, LocalEngine]]


@asynccontextmanager
async def local_swarm(
    model: str,
    spans: Sequence[tuple[int, int]],
    dtype: str = "auto",
    threads: int = 1,
    on_ready: Callable[[LocalEngine], None] = lambda _engine: None,
    status_folder: Path | None = None,
) -> AsyncIterator[LocalSwarm]:
    """Start `meadow serve` once for each span, all at the same time, around a meeting point in this process.

    Everything is on loopback and ends with the block. `on_ready` hears of every engine as soon as it is up.

    Raises:
        EngineFailedError: one of them ended before it was ready, or took too long.
    """
    processes: list[asyncio.subprocess.Process] = []
    numbers = itertools.count(1)
    async with SwarmNode.running(new_identity(), listen=LOOPBACK) as meeting_point:

        async def start(span: tuple[int, int]) -> LocalEngine:
            name = f"computer-{next(numbers)}"
            status_file = None if status_folder is None else status_folder / f"{name}.json"
            command = _command(model, span, name, meeting_point.address, dtype, status_file)
            process, ready = await _start(command, threads, processes)
            engine = LocalEngine(process, span, ready["peer"], ready["address"], status_file)
            on_ready(engine)
            return engine

        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(start(span)) for span in spans]
            yield LocalSwarm(meeting_point.address, [task.result() for task in tasks], start)
        finally:
            await _end(processes)


async def _end(processes: Sequence[asyncio.subprocess.Process]) -> None:
    for process in processes:
        if process.returncode is None:
            process.terminate()
    for process in processes:
        try:
            async with asyncio.timeout(_END_TIMEOUT_S):
                await process.wait()
        except TimeoutError:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()


def _command(
    model: str, span: tuple[int, int], name: str, join: Sequence[str], dtype: str, status_file: Path | None
) -> list[str]:
    command = [sys.executable, "-m", "meadow_engine", "serve", model, "--layers", f"{span[0]}:{span[1]}"]
    command += ["--listen", LOOPBACK[0], "--dtype", dtype, "--device", "cpu"]
    command += ["--public-name", name, "--tethered", "--quiet"]
    if status_file is not None:
        command += ["--status-file", str(status_file)]
    for address in join:
        command += ["--join", address]
    return command


async def _start(
    command: list[str], threads: int, processes: list[asyncio.subprocess.Process]
) -> tuple[asyncio.subprocess.Process, dict[str, Any]]:
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "OMP_NUM_THREADS": str(threads)},
    )
    processes.append(process)
    return process, await _first_line(process)


async def _first_line(process: asyncio.subprocess.Process) -> dict[str, Any]:
    assert process.stdout is not None  # noqa: S101 - a pipe was asked for
    try:
        async with asyncio.timeout(_READY_TIMEOUT_S):
            line = await process.stdout.readline()
    except TimeoutError as error:
        raise EngineFailedError(f"An engine was not ready within {_READY_TIMEOUT_S:.0f} s") from error
    if not line:
        await process.wait()
        raise EngineFailedError(f"An engine ended with exit code {process.returncode} before it was ready")
    return dict(json.loads(line))
