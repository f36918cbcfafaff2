"""Keep the list of downloads over a restart of the engine: `downloads.json` in the data folder (mode 0600).

Each entry holds what was planned, so that it can be shown with its size, and go on, before the Hub was asked again.
How much of it has arrived is not in it: the files say so. A list that cannot be read is set aside and named in the log,
and another one begins; whoever fetches such a model again goes on where its files end.

Reads and writes the disk: call it in worker threads, one at a time.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from meadow_engine.api.places import write_private
from meadow_engine.download_plan import DownloadPlan, Hub, PlannedFile

log = logging.getLogger(__name__)

_HASH = r"^[0-9a-f]{40,64}$"  # they become names of files


class _KeptFile(BaseModel):
    model_config = ConfigDict(frozen=True)

    name: str
    size_bytes: int = Field(ge=0)
    blob: str = Field(pattern=_HASH)


class KeptDownload(BaseModel):
    """One download that is not done. `is_paused`: it waits for the person, because it was paused or has failed."""

    model_config = ConfigDict(frozen=True)

    model: str = Field(min_length=1)
    commit: str = Field(pattern=_HASH)
    is_paused: bool
    files: tuple[_KeptFile, ...]

    @classmethod
    def of(cls, plan: DownloadPlan, *, is_paused: bool) -> KeptDownload:
        files = tuple(_KeptFile(name=file.name, size_bytes=file.size_bytes, blob=file.blob) for file in plan.files)
        return cls(model=plan.model, commit=plan.commit, is_paused=is_paused, files=files)

    def plan(self, hub: Hub) -> DownloadPlan:
        """What was planned, in the cache of this hub."""
        files = tuple(PlannedFile(file.name, file.size_bytes, file.blob) for file in self.files)
        return DownloadPlan(self.model, self.commit, hub.folder_of(self.model), files)


class _Kept(BaseModel):
    downloads: tuple[KeptDownload, ...] = ()


def read_downloads(path: Path) -> tuple[KeptDownload, ...]:
    """What was not done when the last engine ended, the oldest first; nothing where there is no file."""
    try:
        return _Kept.model_validate_json(path.read_bytes()).downloads
    except FileNotFoundError:
        return ()
    except (OSError, ValidationError):
        _set_aside(path)
        return ()


def keep_downloads(path: Path, downloads: Iterable[KeptDownload]) -> None:
    """Write the list down. A disk that is full is named in the log, and nothing else fails."""
    try:
        write_private(path, _Kept(downloads=tuple(downloads)).model_dump_json(indent=2) + "\n")
    except OSError as error:
        log.warning("The list of downloads cannot be kept over a restart: %s", error.strerror or error)


def _set_aside(path: Path) -> None:
    names = (f"{path.name}.broken{number}" for number in ("", *(f"-{more}" for more in range(2, 1000))))
    aside = next(place for name in names if not (place := path.with_name(name)).exists())
    with suppress(OSError):
        path.replace(aside)
    log.warning(
        "%s cannot be read; it is kept as %s, and the list of downloads begins anew. What has arrived is kept",
        path,
        aside.name,
    )
