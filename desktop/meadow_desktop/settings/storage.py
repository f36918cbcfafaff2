"""Model files on this computer's disk, in words; and asking the engine for them. Views are pure, the desk knows Qt.

Threads: GUI thread. Errors: a `Problem` becomes `trouble`, and the list stays what it was.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtCore import QObject, Signal

from meadow_desktop.engine.link import EngineLink
from meadow_desktop.language import _, in_figures, ngettext
from meadow_engine.api.errors import Problem
from meadow_engine.api.storage import DeleteModel, StorageOverview

_DAY_S = 86400.0
_DELETE_MS = 120_000  # many large files


@dataclass(frozen=True)
class StoredView:
    """One model. `use` says when it was used last, or that it is used now."""

    id: str
    size: str
    use: str
    can_delete: bool


@dataclass(frozen=True)
class StorageView:
    """The list, and what it takes of the disk."""

    summary: str
    folder: str
    models: tuple[StoredView, ...]


def present_storage(overview: StorageOverview, now_s: float) -> StorageView:
    """The engine's overview in words.

    Args:
        now_s: seconds since 1970.
    """
    parts = {
        "size": describe_size(overview.bytes),
        "free": describe_size(overview.free_bytes),
        "limit": describe_size(overview.limit_bytes),
    }
    summary = (
        _("{free} are free on this disk.").format(**parts)
        if not overview.bytes
        else _("Models take {size} of at most {limit}; {free} are free on this disk.").format(**parts)
        if overview.limit_bytes
        else _("Models take {size}; {free} are free on this disk.").format(**parts)
    )
    models = tuple(
        StoredView(
            model.id,
            describe_size(model.bytes),
            _("In use now") if model.is_in_use else _describe_use(now_s - model.last_used_s),
            not model.is_in_use,
        )
        for model in overview.models
    )
    return StorageView(summary, overview.folder, models)


def describe_size(size_bytes: int) -> str:
    """ "1.5 GB", "300 MB"; in thousands, as disks are sold."""
    size = float(size_bytes)
    for unit in ("B", "KB", "MB", "GB"):
        if size < 999.5:
            return f"{in_figures(f'{size:.3g}')} {unit}"
        size /= 1000
    return f"{in_figures(f'{size:.3g}')} TB"


def _describe_use(ago_s: float) -> str:
    days = int(ago_s // _DAY_S)
    if days < 1:
        return _("Used in the last 24 hours")
    return ngettext("Used {n} day ago", "Used {n} days ago", days).format(n=days)


class StorageDesk(QObject):
    """What the engine said last; None before."""

    changed = Signal()
    trouble = Signal(object)  # Problem

    def __init__(self, link: EngineLink, clock: Callable[[], float] = time.time, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._link = link
        self._clock = clock
        self._overview: StorageOverview | None = None
        self.deleting = ""
        link.changed.connect(self._take_link)

    @property
    def view(self) -> StorageView | None:
        """The list as it is shown."""
        return None if self._overview is None else present_storage(self._overview, self._clock())

    def refresh(self) -> None:
        """Ask the engine."""
        if self._link.client is not None:
            self._link.client.get("/api/storage", StorageOverview).done.connect(self._take)

    def delete(self, model: str) -> None:
        """Have one model's files deleted."""
        client = self._link.client
        if client is None or self.deleting:
            return
        self.deleting = model
        request = client.send("POST", "/api/storage/delete", DeleteModel(model=model), StorageOverview, _DELETE_MS)
        request.done.connect(self._take_deleted)
        self.changed.emit()

    def _take_link(self) -> None:
        if self._link.client is None and self.deleting:  # nobody answers any more
            self.deleting = ""
            self.changed.emit()

    def _take_deleted(self, answer: StorageOverview | Problem) -> None:
        self.deleting = ""
        self._take(answer)

    def _take(self, answer: StorageOverview | Problem) -> None:
        if isinstance(answer, Problem):
            self.trouble.emit(answer)
        else:
            self._overview = answer
        self.changed.emit()
