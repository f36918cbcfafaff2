"""Downloads that move on when a test says so, without a hub, a disk or a process."""

from __future__ import annotations

from meadow_engine.api.downloads import Download, DownloadSize, DownloadState
from meadow_engine.downloads import NoSuchDownloadError

TOTAL_BYTES = 4_000_000_000


class FakeFetching:
    """Implements `control.downloads.Fetching`: every model is 4 GB, and one quarter of it arrives with every look."""

    def __init__(self) -> None:
        self._found: dict[str, Download] = {}

    async def size(self, model: str) -> DownloadSize:
        here = self._found[model].done_bytes if model in self._found else 0
        return DownloadSize(
            model=model,
            total_bytes=TOTAL_BYTES,
            here_bytes=here,
            fetch_bytes=TOTAL_BYTES - here,
            free_bytes=10 * TOTAL_BYTES,
            folder="/home/somebody/.cache/huggingface/hub",
        )

    async def all(self) -> list[Download]:
        for model, found in self._found.items():
            if found.state == "downloading":
                done = min(TOTAL_BYTES, found.done_bytes + TOTAL_BYTES // 4)
                state: DownloadState = "done" if done == TOTAL_BYTES else "downloading"
                self._found[model] = found.model_copy(update={"done_bytes": done, "state": state})
        return list(self._found.values())

    async def start(self, model: str) -> Download:
        fresh = Download(model=model, state="downloading", done_bytes=0, total_bytes=TOTAL_BYTES)
        self._found.setdefault(model, fresh)
        return self._change(model, "downloading")

    async def pause(self, model: str) -> Download:
        return self._change(model, "paused")

    async def resume(self, model: str) -> Download:
        return self._change(model, "downloading")

    async def remove(self, model: str) -> list[Download]:
        self._change(model, "paused")
        del self._found[model]
        return list(self._found.values())

    def _change(self, model: str, state: DownloadState) -> Download:
        if model not in self._found:
            raise NoSuchDownloadError(model)
        if self._found[model].state != "done":
            self._found[model] = self._found[model].model_copy(update={"state": state})
        return self._found[model]
