"""The process that fetches one model, from the engine's side: started with an order, ended to pause. On the loop."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Sequence
from contextlib import suppress

import msgspec

from meadow_client.errors import MeadowError
from meadow_engine.download_plan import DownloadPlan, Hub
from meadow_engine.download_process import FetchFailed, FetchOrder, report_decoder
from meadow_engine.log_files import pipe_to

COMMAND = (sys.executable, "-m", "meadow_engine.download_process")

_GRACE_S = 3.0
# xet, the Hub's newer protocol, cannot go on with half a file of another process.
_ENVIRONMENT = {"HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1", "PYTHONUNBUFFERED": "1"}

log = logging.getLogger(__name__)


class DownloadEndedError(MeadowError):
    code = "download-ended"
    advice = "Try again; what has arrived is kept. The log may say more."

    def __init__(self, model: str) -> None:
        super().__init__(f"The process that fetched {model} ended by itself")


async def fetch_in_process(plan: DownloadPlan, hub: Hub, command: Sequence[str]) -> MeadowError | None:
    """Fetch what is missing; why it failed, or None. Cancelled, it ends the process; what has arrived stays.

    Raises:
        OSError: the process cannot be started.
    """
    if plan.folder is None:
        return None
    with pipe_to(log) as stderr:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=stderr,
            env={**os.environ, **_ENVIRONMENT},
            start_new_session=True,  # Ctrl-C is for the engine
        )
    assert process.stdin is not None  # noqa: S101 - a pipe was asked for
    assert process.stdout is not None  # noqa: S101 - a pipe was asked for
    try:
        process.stdin.write(msgspec.json.encode(_order(plan, hub)) + b"\n")
        report = None
        async for line in process.stdout:
            with suppress(ValueError):  # a library that prints
                report = report_decoder.decode(line)
        await process.wait()
    finally:
        process.stdin.close()
        await _end(process)
    if isinstance(report, FetchFailed):
        failure = MeadowError(report.message, report.advice)
        failure.code = report.code
        return failure
    return None if report is not None else DownloadEndedError(plan.model)


def _order(plan: DownloadPlan, hub: Hub) -> FetchOrder:
    return FetchOrder(
        model=plan.model,
        commit=plan.commit,
        folder=str(plan.folder),
        files=[(file.name, file.size_bytes, file.blob) for file in plan.files],
        endpoint=hub.endpoint,
        cache=None if hub.cache is None else str(hub.cache),
    )


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), _GRACE_S)
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
