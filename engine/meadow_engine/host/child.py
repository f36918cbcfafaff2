"""The host process as the engine sees it: started, heard, told to leave, and gone when it should be.

Runs on the event loop.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

from meadow_engine.host.protocol import Command, Leave, Order, Report, encode, report_decoder
from meadow_engine.log_files import pipe_to

# Of the time until everything has to be free: what the process itself needs to end.
_ENDING_S = 0.4
_GRACE_S = 5.0
_LINE_BYTES = 64 * 1024

COMMAND = (sys.executable, "-m", "meadow_engine.host")

log = logging.getLogger(__name__)


class HostChild:
    """A running host process. Create one with `running_host`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._ends_by_s: float | None = None

    async def reports(self) -> AsyncIterator[Report]:
        """What it says, until it ends or is told to leave and has left."""
        assert self._process.stdout is not None  # noqa: S101 - a pipe was asked for
        while True:
            try:
                if not (line := await self._process.stdout.readline()):
                    return
                report = report_decoder.decode(line)
            except ValueError:  # a library that prints, perhaps more in a line than is kept
                continue
            yield report

    def order(self, command: Command) -> None:
        assert self._process.stdin is not None  # noqa: S101 - a pipe was asked for
        with suppress(OSError, RuntimeError):
            self._process.stdin.write(encode(command) + b"\n")

    async def leave(self, within_s: float) -> None:
        """Let it hand over what it can; after that time it is gone, with all its memory.

        Called again with less time while the first call waits, it is gone the sooner.
        """
        now = asyncio.get_running_loop().time()
        ends_by_s = now + within_s
        is_first = self._ends_by_s is None
        if self._ends_by_s is None or ends_by_s < self._ends_by_s:
            self._ends_by_s = ends_by_s
        if is_first:
            self.order(Leave(max(0.0, within_s - _ENDING_S)))
        while self._process.returncode is None and (left_s := self._ends_by_s - now) > 0:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), min(left_s, 0.1))
            now = asyncio.get_running_loop().time()
        await self.kill()

    async def wait(self) -> int:
        """The exit code: below zero for the signal that ended it."""
        return await self._process.wait()

    async def kill(self) -> None:
        if self._process.returncode is None:
            log.info("The host process did not end in time; it is killed")
            with suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()


@asynccontextmanager
async def running_host(order: Order, command: Sequence[str] = COMMAND) -> AsyncIterator[HostChild]:
    """A host process with this order; it is gone when the block ends.

    Raises:
        OSError: it cannot be started.
    """
    with pipe_to(logging.getLogger("meadow_engine.host")) as stderr:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=stderr,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            limit=_LINE_BYTES,
            start_new_session=True,  # Ctrl-C is for the engine, which then has conversations handed over
        )
    child = HostChild(process)
    try:
        child.order(order)
        yield child
    finally:
        if process.stdin is not None:
            process.stdin.close()  # which means: leave
        try:
            with suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), _GRACE_S)
        finally:
            await child.kill()
