"""Models that are being fetched from huggingface.co: begun, held, continued and counted. Runs on the event loop.

    start ─► plan (thread) ─► process that fetches ─► done
                    pause: the process ends ◄─┘  ▲
                    resume: another process ─────┘  goes on where the files end

How far a download is, is read from the disk, where the files grow (`download_plan.py`): it needs no messages, and is
true after a crash. The list itself is forgotten when the engine ends; what has arrived is not, so `start` continues it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress

import msgspec

from meadow_client.errors import MeadowError, UsageError
from meadow_client.models.room import NoRoomForModelError, bytes_on_disk
from meadow_engine.api.downloads import Download, DownloadSize, DownloadState
from meadow_engine.download_plan import DiskFullError, DownloadPlan, Hub
from meadow_engine.download_process import FetchFailed, FetchOrder, report_decoder
from meadow_engine.log_files import pipe_to

COMMAND = (sys.executable, "-m", "meadow_engine.download_process")

# Room that a download leaves on the disk, for everything else that is written there.
SPARE_BYTES = 500_000_000
_GRACE_S = 3.0
# xet, the Hub's newer protocol, cannot go on with half a file of another process.
_ENVIRONMENT = {"HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1", "PYTHONUNBUFFERED": "1"}

log = logging.getLogger(__name__)


class NoSuchDownloadError(UsageError):
    code = "no-such-download"
    advice = "GET /api/downloads lists those that were begun."

    def __init__(self, model: str) -> None:
        super().__init__(f"{model} is not being fetched")


class DownloadEndedError(MeadowError):
    code = "download-ended"
    advice = "Try again; what has arrived is kept. The log may say more."

    def __init__(self, model: str) -> None:
        super().__init__(f"The process that fetched {model} ended by itself")


class _Fetch:
    """One download: its plan, what became of it, and the task that follows its process."""

    def __init__(self, plan: DownloadPlan) -> None:
        self.plan = plan
        self.state: DownloadState = "downloading"
        self.failure: MeadowError | None = None
        self.task: asyncio.Task[None] | None = None

    def shown(self) -> Download:
        return Download(
            model=self.plan.model,
            state=self.state,
            done_bytes=self.plan.total_bytes if self.state == "done" else self.plan.here_bytes(),
            total_bytes=self.plan.total_bytes,
            problem=f"{self.failure}." if self.failure else "",
            advice=self.failure.advice if self.failure else "",
        )


class Downloads:
    """All downloads since the engine started. Create one with `running_downloads`."""

    def __init__(
        self,
        group: asyncio.TaskGroup,
        hub: Hub,
        command: Sequence[str] = COMMAND,
        free_bytes: Callable[[DownloadPlan], int] = DownloadPlan.free_bytes,
        limit_bytes: Callable[[], int] = lambda: 0,
    ) -> None:
        """`limit_bytes` is asked every time: the most that model files may take of the disk; 0 is no limit."""
        self._group = group
        self._hub = hub
        self._command = command
        self._free_bytes = free_bytes
        self._limit_bytes = limit_bytes
        self._fetches: dict[str, _Fetch] = {}
        self._changing = asyncio.Lock()

    async def size(self, model: str) -> DownloadSize:
        """What fetching MODEL would cost.

        Raises:
            MeadowError: there is no such model, it may not be had, or the Hub cannot be reached.
        """
        plan = await asyncio.to_thread(self._hub.plan, model)
        return await asyncio.to_thread(self._size_of, plan)

    async def all(self) -> list[Download]:
        """What was begun, the oldest first."""
        return await asyncio.to_thread(lambda: [fetch.shown() for fetch in list(self._fetches.values())])

    async def start(self, model: str) -> Download:
        """Begin to fetch MODEL, or go on; one that is under way is left alone.

        Raises:
            DiskFullError: it would not fit.
            NoRoomForModelError: the settings allow model files no more of the disk.
            MeadowError: as `size`.
        """
        plan = await asyncio.to_thread(self._hub.plan, model)
        size = await asyncio.to_thread(self._size_of, plan)
        async with self._changing:
            known = self._fetches.get(model)
            if known is None or known.task is None:
                await asyncio.to_thread(self._check_room, plan, size)
                known = self._fetches[model] = _Fetch(plan)
                self._begin(known)
        return await asyncio.to_thread(known.shown)

    async def pause(self, model: str) -> Download:
        """End the process that fetches MODEL; what has arrived stays. A download that is over stays as it is.

        Raises:
            NoSuchDownloadError: it was never begun.
        """
        fetch = self._known(model)
        async with self._changing:
            if fetch.task is not None and not fetch.task.done():
                fetch.task.cancel()
                await asyncio.wait([fetch.task])
                fetch.task = None
            if fetch.state == "downloading":
                fetch.state = "paused"
        return await asyncio.to_thread(fetch.shown)

    async def resume(self, model: str) -> Download:
        """Go on with what was paused or has failed.

        Raises:
            NoSuchDownloadError: it was never begun.
        """
        fetch = self._known(model)
        async with self._changing:
            if fetch.state in ("paused", "failed"):
                self._begin(fetch)
        return await asyncio.to_thread(fetch.shown)

    def _check_room(self, plan: DownloadPlan, size: DownloadSize) -> None:
        if size.fetch_bytes <= 0 or plan.folder is None:
            return
        missing_bytes = size.fetch_bytes + SPARE_BYTES - size.free_bytes
        if missing_bytes > 0:
            raise DiskFullError(plan.folder, missing_bytes)
        limit_bytes = self._limit_bytes()
        if limit_bytes > 0 and (present_bytes := bytes_on_disk()) + size.fetch_bytes > limit_bytes:
            raise NoRoomForModelError(plan.model, size.fetch_bytes, present_bytes, limit_bytes)

    def _known(self, model: str) -> _Fetch:
        try:
            return self._fetches[model]
        except KeyError:
            raise NoSuchDownloadError(model) from None

    def _begin(self, fetch: _Fetch) -> None:
        fetch.state, fetch.failure = "downloading", None
        fetch.task = self._group.create_task(self._follow(fetch))

    async def _follow(self, fetch: _Fetch) -> None:
        """Run the process of a download to its end, and note what came of it."""
        try:
            fetch.failure = await self._run(fetch.plan)
        except OSError as error:
            fetch.failure = MeadowError(f"Fetching cannot be started ({error.strerror})", "Look at the log.")
        fetch.state = "done" if fetch.failure is None else "failed"
        fetch.task = None

    async def _run(self, plan: DownloadPlan) -> MeadowError | None:
        if plan.folder is None:
            return None
        with pipe_to(log) as stderr:
            process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=stderr,
                env={**os.environ, **_ENVIRONMENT},
                start_new_session=True,  # Ctrl-C is for the engine
            )
        assert process.stdin is not None  # noqa: S101 - a pipe was asked for
        assert process.stdout is not None  # noqa: S101 - a pipe was asked for
        try:
            process.stdin.write(msgspec.json.encode(self._order(plan)) + b"\n")
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

    def _order(self, plan: DownloadPlan) -> FetchOrder:
        return FetchOrder(
            model=plan.model,
            commit=plan.commit,
            folder=str(plan.folder),
            files=[(file.name, file.size_bytes, file.blob) for file in plan.files],
            endpoint=self._hub.endpoint,
            cache=None if self._hub.cache is None else str(self._hub.cache),
        )

    def _size_of(self, plan: DownloadPlan) -> DownloadSize:
        here_bytes = plan.here_bytes()
        return DownloadSize(
            model=plan.model,
            total_bytes=plan.total_bytes,
            here_bytes=here_bytes,
            fetch_bytes=plan.total_bytes - here_bytes,
            free_bytes=self._free_bytes(plan),
            folder="" if plan.folder is None else str(plan.folder),
        )

    def end(self) -> None:
        """End all processes; what has arrived stays."""
        for fetch in self._fetches.values():
            if fetch.task is not None:
                fetch.task.cancel()


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


@asynccontextmanager
async def running_downloads(
    hub: Hub | None = None,
    command: Sequence[str] = COMMAND,
    limit_bytes: Callable[[], int] = lambda: 0,
) -> AsyncIterator[Downloads]:
    """Downloads that go on within the block; all processes are gone when it ends."""
    async with asyncio.TaskGroup() as group:
        downloads = Downloads(group, hub or Hub(), command, limit_bytes=limit_bytes)
        try:
            yield downloads
        finally:
            downloads.end()
