"""What the directory costs: bytes that each server sends in a minute, and how long a lookup takes.

    python -m meadow_engine.bench.directory --servers 100 --layers 80

Starts that many real DHT nodes on loopback, without models, spread over a few processes, and lets each announce a span
as an engine does. Then counts what crosses loopback; for figures without other programs' traffic run it in a network
namespace of its own (`unshare --net`, `ip link set lo up`). Prints one JSON object, as `meadow bench` does.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from typing import Any

import psutil

from meadow_client.errors import UsageError
from meadow_client.identity import new_identity
from meadow_client.swarm.directory import RENEW_S, Announcement
from meadow_client.swarm.node import LOOPBACK, SwarmNode
from meadow_engine.cli.console import DONE, fail, note, run_loop

_LOOPBACK_DEVICE = "lo0" if sys.platform == "darwin" else "lo"
_MODEL = "measured-by-the-directory-bench"
_SPAN = 10


@dataclass(frozen=True)
class DirectorySettings:
    """`layers` of the model that is announced, `seconds` of counting, `lookups` that are timed one after the other."""

    servers: int = 100
    layers: int = 80
    seconds: int = 60
    lookups: int = 40
    processes: int = 4


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m meadow_engine.bench.directory", description=__doc__)
    for name, default in asdict(DirectorySettings()).items():
        parser.add_argument(f"--{name}", type=int, default=default, metavar="N", help=f"default: {default}")
    parser.add_argument("--join", help=argparse.SUPPRESS)
    given = vars(parser.parse_args(arguments))
    join = given.pop("join")
    settings = DirectorySettings(**given)
    if min(asdict(settings).values()) < 1:
        return fail(UsageError("Every number has to be at least 1"))
    return run_loop(_hold(settings, join) if join else _measure(settings))


async def _hold(settings: DirectorySettings, join: str) -> int:
    """Be some of the servers until stdin ends; the other end of `_holding`."""
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
        renewing = []
        for index in range(settings.servers):
            node = await stack.enter_async_context(SwarmNode.running(new_identity(), [join], LOOPBACK))
            # As engines that were started at different times.
            wait_s = index * RENEW_S / settings.servers
            renewing.append(group.create_task(_renew(node, _announcement(index, settings.layers), wait_s)))
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)
        for task in renewing:
            task.cancel()
    return DONE


async def _renew(node: SwarmNode, announcement: Announcement, wait_s: float) -> None:
    await node.directory.announce(announcement)
    await asyncio.sleep(wait_s)
    while True:
        await node.directory.announce(announcement)
        await asyncio.sleep(RENEW_S)


def _announcement(index: int, layers: int) -> Announcement:
    start = index * _SPAN % layers
    end = min(start + _SPAN, layers)
    return Announcement(_MODEL, "Some-Model-70B", layers, 32768, start, end, f"computer-{index}", "0.1.0", "bf16", 0.02)


@asynccontextmanager
async def _holding(settings: DirectorySettings, join: str) -> AsyncIterator[None]:
    """A process that is some of the servers, ready."""
    numbers = [f"--{name}={value}" for name, value in asdict(settings).items()]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "meadow_engine.bench.directory",
        *numbers,
        f"--join={join}",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None  # noqa: S101 - for the type checker
    assert process.stdout is not None  # noqa: S101 - for the type checker
    try:
        if not await process.stdout.readline():
            raise UsageError("Some servers could not be started", "Take fewer --servers.")
        yield
    finally:
        process.stdin.close()
        await process.wait()


async def _measure(settings: DirectorySettings) -> int:
    from meadow_engine.bench.report import machine

    processes = min(settings.processes, settings.servers)
    shares = [(settings.servers + index) // processes for index in range(processes)]
    async with AsyncExitStack() as stack:
        meeting_point = await stack.enter_async_context(SwarmNode.running(new_identity(), listen=LOOPBACK))
        join = meeting_point.address[0]
        note(f"Starting {settings.servers} servers in {processes} processes …")
        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for share in shares:
                part = DirectorySettings(**{**asdict(settings), "servers": share})
                group.create_task(stack.enter_async_context(_holding(part, join)))
        start_s = time.monotonic() - began
        reader = await stack.enter_async_context(SwarmNode.running(new_identity(), [join], listen=None))
        seen = await _wait_for_all(reader, settings.servers)
        note(f"{seen} servers announce after {start_s:.0f} s; counting for {settings.seconds} s …")
        counted = await _count(settings.seconds)
        lookups = [await _look(reader) for _ in range(settings.lookups)]
    found = [count for _seconds, count in lookups]
    results = {
        "servers_announcing": seen,
        "start_s": round(start_s, 1),
        "bytes_per_server_and_minute": round(counted["bytes"] / settings.servers * 60 / settings.seconds),
        "packets_per_server_and_minute": round(counted["packets"] / settings.servers * 60 / settings.seconds),
        "lookup_s": _spread([seconds for seconds, _count in lookups]),
        "servers_found": {"min": min(found), "max": max(found)},
    }
    report: dict[str, Any] = {
        "bench": "directory",
        "model": None,
        "settings": asdict(settings),
        "machine": machine(),
        "results": results,
        "reference": {},
        "ratio": None,
    }
    sys.stdout.write(json.dumps(report) + "\n")
    return DONE


async def _wait_for_all(reader: SwarmNode, servers: int) -> int:
    """Until all are found, or a round of renewals has passed."""
    deadline = time.monotonic() + 2 * RENEW_S
    while True:
        count = len(await reader.directory.servers(_MODEL))
        if count >= servers or time.monotonic() > deadline:
            return count
        await asyncio.sleep(0.5)


async def _count(seconds: float) -> dict[str, int]:
    """What crosses loopback meanwhile; every packet counts once."""
    before = psutil.net_io_counters(pernic=True)[_LOOPBACK_DEVICE]
    await asyncio.sleep(seconds)
    after = psutil.net_io_counters(pernic=True)[_LOOPBACK_DEVICE]
    return {"bytes": after.bytes_recv - before.bytes_recv, "packets": after.packets_recv - before.packets_recv}


async def _look(reader: SwarmNode) -> tuple[float, int]:
    began = time.monotonic()
    count = len(await reader.directory.servers(_MODEL))
    return time.monotonic() - began, count


def _spread(values: Sequence[float]) -> dict[str, float]:
    from meadow_engine.bench.report import percentile

    return {
        "median": round(percentile(values, 0.5), 4),
        "p95": round(percentile(values, 0.95), 4),
        "max": round(max(values), 4),
    }


if __name__ == "__main__":
    sys.exit(main())
