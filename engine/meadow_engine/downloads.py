"""Models that are being fetched from huggingface.co: begun, held, continued and counted. Runs on the event loop.

    start ─► plan (thread) ─► process that fetches ─► done
                    pause: the process ends ◄─┘  ▲
                    resume: another process ─────┘  goes on where the files end

How far a download is, is read from the disk, where the files grow (`download_plan.py`): it needs no messages, and is
true after a crash. The list itself is kept in a file (`kept_downloads.py`): what was under way when the engine ended,
or was killed, goes on with the next one, and what was paused or has failed is there again, paused.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from meadow_client.errors import MeadowError, UsageError
from meadow_client.models.room import NoRoomForModelError, bytes_on_disk
from meadow_engine.api.downloads import Download, DownloadSize, DownloadState
from meadow_engine.download_child import COMMAND, fetch_in_process
from meadow_engine.download_plan import DiskFullError, DownloadPlan, Hub, HubUnreachableError, incomplete_path
from meadow_engine.kept_downloads import KeptDownload, keep_downloads, read_downloads

# Room that a download leaves on the disk, for everything else that is written there.
SPARE_BYTES = 500_000_000
# An engine that starts with the computer is often up before the network is.
_NETWORK_WAITS_S = (5.0, 15.0, 60.0)


class NoSuchDownloadError(UsageError):
    code = "no-such-download"
    advice = "GET /api/downloads lists those that were begun."

    def __init__(self, model: str) -> None:
        super().__init__(f"{model} is not being fetched")


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
    """All downloads since the engine started, and those that were not done before. Made by `running_downloads`."""

    def __init__(
        self,
        group: asyncio.TaskGroup,
        hub: Hub,
        command: Sequence[str] = COMMAND,
        free_bytes: Callable[[DownloadPlan], int] = DownloadPlan.free_bytes,
        limit_bytes: Callable[[], int] = lambda: 0,
        file: Path | None = None,
        network_waits_s: Sequence[float] = _NETWORK_WAITS_S,
    ) -> None:
        """`limit_bytes` is asked every time: the most that model files may take of the disk; 0 is no limit.

        `file` is where the list is kept; with None it ends with the engine. What goes on by itself after a restart
        waits for the network `network_waits_s`, one after the other, before it has failed.
        """
        self._group = group
        self._hub = hub
        self._command = command
        self._free_bytes = free_bytes
        self._limit_bytes = limit_bytes
        self._file = file
        self._network_waits_s = network_waits_s
        self._fetches: dict[str, _Fetch] = {}
        self._changing = asyncio.Lock()
        self._keeping = asyncio.Lock()

    async def restore(self) -> None:
        """Go on with what the last engine was fetching, and show again what waited then."""
        if self._file is None:
            return
        for kept in await asyncio.to_thread(read_downloads, self._file):
            fetch = self._fetches[kept.model] = _Fetch(kept.plan(self._hub))
            if kept.is_paused:
                fetch.state = "paused"
            else:
                self._begin(fetch, is_restored=True)

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
        await self._keep()
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
        await self._keep()
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
        await self._keep()
        return await asyncio.to_thread(fetch.shown)

    async def remove(self, model: str) -> list[Download]:
        """Fetch MODEL no more, and delete its unfinished files; those that are whole stay. All others are returned.

        Raises:
            NoSuchDownloadError: it was never begun.
            OSError: a file cannot be deleted; the download is paused then.
        """
        fetch = self._known(model)
        await self.pause(model)
        async with self._changing:
            if fetch.task is None and self._fetches.get(model) is fetch:
                await asyncio.to_thread(_delete_unfinished, fetch.plan)
                del self._fetches[model]
        await self._keep()
        return await self.all()

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

    def _begin(self, fetch: _Fetch, *, is_restored: bool = False) -> None:
        fetch.state, fetch.failure = "downloading", None
        fetch.task = self._group.create_task(self._follow(fetch, is_restored=is_restored))

    async def _follow(self, fetch: _Fetch, *, is_restored: bool) -> None:
        """Run the process of a download to its end, and note what came of it."""
        try:
            if is_restored:
                size = await asyncio.to_thread(self._size_of, fetch.plan)
                await asyncio.to_thread(self._check_room, fetch.plan, size)
            fetch.failure = await fetch_in_process(fetch.plan, self._hub, self._command)
            for wait_s in self._network_waits_s if is_restored else ():
                if fetch.failure is None or fetch.failure.code != HubUnreachableError.code:
                    break
                await asyncio.sleep(wait_s)
                fetch.failure = await fetch_in_process(fetch.plan, self._hub, self._command)
        except MeadowError as error:
            fetch.failure = error
        except OSError as error:
            fetch.failure = MeadowError(f"Fetching cannot be started ({error.strerror})", "Look at the log.")
        fetch.state = "done" if fetch.failure is None else "failed"
        fetch.task = None
        await self._keep()

    async def _keep(self) -> None:
        """Write down what is not done. What has failed waits for the person after a restart, as what is paused does."""
        if self._file is None:
            return
        async with self._keeping:
            kept = [
                KeptDownload.of(fetch.plan, is_paused=fetch.state != "downloading")
                for fetch in self._fetches.values()
                if fetch.state != "done" and fetch.plan.folder is not None
            ]
            await asyncio.to_thread(keep_downloads, self._file, kept)

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


def _delete_unfinished(plan: DownloadPlan) -> None:
    if plan.folder is None:
        return
    for file in plan.files:
        incomplete_path(plan.folder, file).unlink(missing_ok=True)


@asynccontextmanager
async def running_downloads(
    hub: Hub | None = None,
    command: Sequence[str] = COMMAND,
    limit_bytes: Callable[[], int] = lambda: 0,
    file: Path | None = None,
) -> AsyncIterator[Downloads]:
    """Downloads that go on within the block; all processes are gone when it ends. `file` keeps the list meanwhile."""
    async with asyncio.TaskGroup() as group:
        downloads = Downloads(group, hub or Hub(), command, limit_bytes=limit_bytes, file=file)
        try:
            await downloads.restore()
            yield downloads
        finally:
            downloads.end()
