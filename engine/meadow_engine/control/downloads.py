"""`/api/downloads`: what fetching a model costs, and fetching it."""

from __future__ import annotations

from typing import Annotated, Protocol

from fastapi import APIRouter, Query

from meadow_engine.api.downloads import LONGEST_MODEL, Download, DownloadSize, FetchModel

_Model = Annotated[str, Query(min_length=1, max_length=LONGEST_MODEL)]


class Fetching(Protocol):
    """What these routes need; `meadow_engine.downloads.Downloads` is one."""

    async def size(self, model: str) -> DownloadSize: ...

    async def all(self) -> list[Download]: ...

    async def start(self, model: str) -> Download: ...

    async def pause(self, model: str) -> Download: ...

    async def resume(self, model: str) -> Download: ...

    async def remove(self, model: str) -> list[Download]: ...


def download_routes(downloads: Fetching) -> APIRouter:
    """The routes below /api/downloads."""
    router = APIRouter(prefix="/downloads")

    @router.get("")
    async def listing() -> list[Download]:
        """What was begun since the engine started or was not done before, and how far it is."""
        return await downloads.all()

    @router.get("/size")
    async def size(model: _Model) -> DownloadSize:
        """What chatting with a model would have to fetch, and whether there is room."""
        return await downloads.size(model)

    @router.post("")
    async def start(command: FetchModel) -> Download:
        """Begin to fetch a model, or go on; one that is under way is left alone."""
        return await downloads.start(command.model)

    @router.post("/pause")
    async def pause(command: FetchModel) -> Download:
        """Hold a download; what has arrived stays."""
        return await downloads.pause(command.model)

    @router.post("/resume")
    async def resume(command: FetchModel) -> Download:
        """Go on with a download that was held or has failed."""
        return await downloads.resume(command.model)

    @router.post("/remove")
    async def remove(command: FetchModel) -> list[Download]:
        """End a download and forget it, with its unfinished files; all others are the answer."""
        return await downloads.remove(command.model)

    return router
