"""Follows the engine's downloads: often while something is fetched, else only when the engine is met. GUI thread."""

from __future__ import annotations

from typing import Literal

from PySide6.QtCore import QObject, QTimer, Signal

from meadow_desktop.downloads.view import DownloadView, present_download
from meadow_desktop.engine.link import EngineLink
from meadow_desktop.engine.link_state import Connected
from meadow_engine.api.downloads import Download, FetchModel
from meadow_engine.api.errors import Problem

LOOK_MS = 1000


class DownloadsDesk(QObject):
    """`views` are those that are not done."""

    changed = Signal()
    trouble = Signal(object)  # Problem

    def __init__(self, link: EngineLink, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._link = link
        self._is_connected = False
        self.views: list[DownloadView] = []
        self._timer = QTimer(self, singleShot=True)
        self._timer.timeout.connect(self.look)
        link.changed.connect(self._take_link)

    def look(self) -> None:
        """Ask how far everything is."""
        client = self._link.client
        if client is not None and self._is_connected:
            client.get("/api/downloads", list[Download]).done.connect(self._take)

    def remove(self, model: str) -> None:
        """Fetch it no longer, and delete what of it is unfinished."""
        client = self._link.client
        if client is not None:
            request = client.send("POST", "/api/downloads/remove", FetchModel(model=model), list[Download])
            request.done.connect(self._take_one)

    def act(self, model: str, action: Literal["pause", "resume"]) -> None:
        """Hold a download, or go on with it."""
        client = self._link.client
        if client is not None:
            request = client.send("POST", f"/api/downloads/{action}", FetchModel(model=model), Download)
            request.done.connect(self._take_one)

    def _take_link(self) -> None:
        is_connected = isinstance(self._link.state, Connected)
        if is_connected != self._is_connected:
            self._is_connected = is_connected
            if is_connected:
                self.look()
            else:
                self._timer.stop()
                self._show([])

    def _take(self, result: list[Download] | Problem) -> None:
        if isinstance(result, Problem):
            return  # the next look asks again; what failed is said by the download itself
        self._show([view for view in map(present_download, result) if view is not None])
        if any(download.state == "downloading" for download in result):
            self._timer.start(LOOK_MS)

    def _take_one(self, result: Download | list[Download] | Problem) -> None:
        if isinstance(result, Problem):
            self.trouble.emit(result)
        self.look()

    def _show(self, views: list[DownloadView]) -> None:
        if views != self.views:
            self.views = views
            self.changed.emit()
