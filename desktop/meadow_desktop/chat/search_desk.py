"""Searches while the person goes on typing: on a thread of its own, and only for what was typed last.

Threads: everything on the GUI thread but `_search`.
"""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QObject, QThreadPool, Signal

from meadow_desktop.chat.keeping.search_file import search_file
from meadow_desktop.chat.keeping.store_problems import StoreError
from meadow_engine.api.errors import Problem


class SearchDesk(QObject):
    """One search at a time."""

    found = Signal(str, list)  # the query, and its SearchHits
    failed = Signal(object)  # Problem
    _ended = Signal(str, object)  # list[SearchHit] | Problem

    def __init__(self, path: Path, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._path = path
        self._running: str | None = None
        self._wanted = ""
        self._threads = QThreadPool(self)
        self._threads.setMaxThreadCount(1)
        self._ended.connect(self._take)

    def search(self, query: str) -> None:
        """Begin a search; `found` is emitted for the latest query only."""
        self._wanted = query
        if self._running is None:
            self._begin()

    def close(self) -> None:
        """Wait for the search under way."""
        self._threads.waitForDone()

    def _begin(self) -> None:
        self._running = self._wanted
        query = self._wanted
        self._threads.start(lambda: self._search(query))

    def _search(self, query: str) -> None:
        try:
            self._ended.emit(query, search_file(self._path, query))
        except StoreError as error:
            self._ended.emit(query, error.problem)

    def _take(self, query: str, result: object) -> None:
        self._running = None
        if query != self._wanted:
            self._begin()
        elif isinstance(result, Problem):
            self.failed.emit(result)
        else:
            self.found.emit(query, result)
