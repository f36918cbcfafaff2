"""The host process: `python -m meadow_engine.host`, started by the engine and told on stdin what to do.

Logs go to stderr, reports (`protocol.py`) to stdout. It has a low priority: whoever uses the computer comes first.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from meadow_engine.cli.console import DONE, FAILED, expected_error, run_loop, set_up_logging
from meadow_engine.host.protocol import (
    Command,
    Ending,
    Failed,
    Leave,
    Limits,
    Loading,
    Order,
    Report,
    Served,
    Serving,
    command_decoder,
    encode,
)

if TYPE_CHECKING:
    from meadow_engine.host.help_sums import HelpSums
    from meadow_engine.hosting import Hosted

_COUNT_S = 0.5
# Somebody wants the host gone who cannot say how long it may stay, or the engine is gone and cannot say it any more.
_LEAVE_UNASKED_S = 2.0
_GRACE_S = 1.0
_NICE = 10

log = logging.getLogger("meadow_engine.host")


class HostProcess:
    """Hosts what it is ordered to until it is told to leave. Everything runs on the event loop."""

    def __init__(self) -> None:
        self._order: asyncio.Future[Order] = asyncio.get_running_loop().create_future()
        self._leave_within_s: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._serving: asyncio.Task[int] | None = None
        self._limits: Limits | None = None
        self._hosted: Hosted | None = None

    def hear(self, command: Command) -> None:
        """Take notice of what the engine says."""
        if isinstance(command, Order):
            if not self._order.done():
                self._order.set_result(command)
        elif isinstance(command, Limits):
            self._limits = command
            if self._hosted is not None:
                self._hosted.limit(command.compute_share, command.upload_bytes_s)
        elif not self._leave_within_s.done():
            self._leave_within_s.set_result(command.within_s)
            if self._serving is None or self._hosted is None:
                # Nobody is served yet, so there is nothing to hand over.
                self._order.cancel()
                if self._serving is not None:
                    self._serving.cancel()

    async def run(self) -> int:
        with suppress(asyncio.CancelledError):
            order = await self._order
            if self._leave_within_s.done():
                return DONE
            async with asyncio.TaskGroup() as group:
                self._serving = serving = group.create_task(_reported(self._serve(order)))
            return DONE if serving.cancelled() else serving.result()
        return DONE

    async def _serve(self, order: Order) -> None:
        from meadow_client.identity import load_or_create_identity
        from meadow_client.invitation import read_addresses
        from meadow_client.models.description import describe
        from meadow_client.models.parameters import layer_parameters
        from meadow_client.models.room import Room
        from meadow_client.swarm.node import EVERYWHERE, SwarmNode
        from meadow_engine.host.help_sums import HelpSums
        from meadow_engine.hosting import HostOptions, hosting, parse_layers
        from meadow_engine.runtime.device import choose_device
        from meadow_engine.runtime.span import LoadOptions

        peers = read_addresses(order.initial_peers)
        description = await asyncio.to_thread(describe, order.model, Room(lambda: order.models_bytes))
        parameters = await asyncio.to_thread(layer_parameters, description)
        helped = HelpSums(description.name, parameters)
        options = HostOptions(
            parse_layers(order.layers),
            LoadOptions(order.dtype, order.quantization),
            order.public_name,
            order.memory_bytes or None,
            order.compute_share,
            order.upload_bytes_s,
            order.own_peer,
            helped.add,
        )
        identity = load_or_create_identity(Path(order.identity_file))
        async with SwarmNode.running(identity, peers, order.listen or EVERYWHERE) as node:
            tell(Loading(description.name))
            async with asyncio.TaskGroup() as group:
                async with hosting(node, description, choose_device(order.device), options) as hosted:
                    self._hosted = hosted
                    if self._limits is not None:
                        hosted.limit(self._limits.compute_share, self._limits.upload_bytes_s)
                    span = hosted.span
                    held = sum(parameters[span.start : span.end])
                    tell(Serving(description.name, span.start, span.end, node.peer, node.address, held))
                    counting = group.create_task(_count(hosted, helped))
                    hosted.leave_within_s = await self._leave_within_s
                # Handing over is counted as well, up to its end.
                counting.cancel()
                tell(_served(hosted))
                _tell_help(helped)


async def _count(hosted: Hosted, helped: HelpSums) -> None:
    """Tell what changes, for ever."""
    told = Served(0, 0)
    while True:
        if (now := _served(hosted)) != told:
            told = now
            tell(now)
        _tell_help(helped)
        await asyncio.sleep(_COUNT_S)


def _tell_help(helped: HelpSums) -> None:
    for report in helped.take():
        tell(report)


def _served(hosted: Hosted) -> Served:
    counts, traffic = hosted.counts, hosted.traffic
    return Served(counts.sessions, counts.tokens, traffic.sent_bytes, traffic.received_bytes)


async def _reported(serving: Coroutine[Any, Any, None]) -> int:
    """The exit code; an expected error is told to the engine."""
    try:
        await serving
    except Exception as error:
        if (expected := expected_error(error)) is None:
            raise
        tell(Failed(getattr(expected, "code", "failed"), str(expected), getattr(expected, "advice", "")))
        return FAILED
    return DONE


def tell(report: Report) -> None:
    """Say something to the engine; one that is gone hears nothing, and its pipe's end ends the host."""
    with suppress(OSError, ValueError):
        sys.stdout.buffer.write(encode(report) + b"\n")
        sys.stdout.buffer.flush()


def hear_commands(hear: Callable[[Command], None]) -> None:
    """Call `hear` on this event loop with every command on stdin, and with `Leave` at its end."""
    loop = asyncio.get_running_loop()

    def read() -> None:
        with suppress(RuntimeError):  # the loop is closed already
            for line in sys.stdin.buffer:
                with suppress(msgspec.DecodeError):
                    loop.call_soon_threadsafe(hear, command_decoder.decode(line))
            loop.call_soon_threadsafe(hear, Leave(_LEAVE_UNASKED_S))
        _end_soon()

    threading.Thread(target=read, name="meadow-commands", daemon=True).start()


def hear_sigterm(hear: Callable[[Command], None]) -> None:
    """Call `hear` on this event loop with `Leave` at the first SIGTERM; a second one ends the process at once."""
    loop = asyncio.get_running_loop()

    def leave() -> None:
        tell(Ending())
        hear(Leave(_LEAVE_UNASKED_S))

    def end(_number: int, _frame: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        with suppress(RuntimeError):  # the loop is closed already
            loop.call_soon_threadsafe(leave)
        threading.Thread(target=_end_soon, name="meadow-end", daemon=True).start()

    # Not the loop's own handlers: Python's also run while the loop waits for another thread.
    signal.signal(signal.SIGTERM, end)


def _end_soon() -> None:
    """End the process when it has had its time. A loop that waits for the device hears nothing."""
    time.sleep(_LEAVE_UNASKED_S + _GRACE_S)
    os._exit(FAILED)


async def _main() -> int:
    process = HostProcess()
    hear_commands(process.hear)
    hear_sigterm(process.hear)
    return await process.run()


def main() -> int:
    set_up_logging()
    with suppress(OSError):
        os.nice(_NICE)
    code = FAILED
    try:
        code = run_loop(_main())
    except Exception:
        log.exception("The host process failed")
    # Threads of a library or a busy graphics card must not keep the memory any longer.
    sys.stdout.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
