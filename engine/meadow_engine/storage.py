"""Model files in huggingface.co's cache on this computer: how much they take, and how they are deleted.

All of it reads the disk: call it in worker threads. Views (`meadow_client.models.files`) are links to these files;
those that lead nowhere any more are removed with them.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from meadow_client.errors import MeadowError
from meadow_engine.api.settings import Settings
from meadow_engine.api.storage import StorageOverview, StoredModel

if TYPE_CHECKING:
    from huggingface_hub import CachedRepoInfo


class ModelNotStoredError(MeadowError):
    code = "model-not-stored"
    advice = "GET /api/storage names all that are."

    def __init__(self, model: str) -> None:
        super().__init__(f"There are no files of {model[:80]!r} in the cache on this computer")


class ModelInUseError(MeadowError):
    code = "model-in-use"
    advice = (
        "Pause sharing, or choose another model for it; a model that was chatted with is free once Meadow restarts."
    )

    def __init__(self, model: str) -> None:
        super().__init__(f"{model} is in use now, so its files stay")


def stored_models(in_use: Collection[str], limit_bytes: int, folder: Path | None = None) -> StorageOverview:
    """What lies in the cache; `in_use` are repositories."""
    folder = folder or cache_folder()
    repositories = sorted(_repositories(folder), key=lambda repository: (-repository.size_on_disk, repository.repo_id))
    return StorageOverview(
        folder=str(folder),
        bytes=sum(repository.size_on_disk for repository in repositories),
        free_bytes=shutil.disk_usage(_existing(folder)).free,
        limit_bytes=limit_bytes,
        models=[
            StoredModel(
                id=repository.repo_id,
                bytes=repository.size_on_disk,
                last_used_s=repository.last_accessed,
                is_in_use=repository.repo_id in in_use,
            )
            for repository in repositories
        ],
    )


def most_bytes(settings: Settings) -> int:
    """The most that model files may take of the disk; 0: no limit."""
    return int(settings.models_gb * 10**9)


def delete_model(model: str, in_use: Collection[str], folder: Path | None = None, views: Path | None = None) -> None:
    """Delete all files of a repository in the cache.

    Raises:
        ModelNotStoredError: there are none.
        ModelInUseError: it is one of `in_use`.
        OSError: the system forbids it.
    """
    from meadow_client.models.files import default_views

    found = {repository.repo_id: repository for repository in _repositories(folder or cache_folder())}
    if model not in found:
        raise ModelNotStoredError(model)
    if model in in_use:
        raise ModelInUseError(model)
    shutil.rmtree(found[model].repo_path)
    _remove_dangling(views or default_views())


def cached_repositories(folder: Path | None = None) -> list[str]:
    """The names of all models in the cache."""
    return sorted(repository.repo_id for repository in _repositories(folder or cache_folder()))


def cache_folder() -> Path:
    """Where huggingface.co's library keeps what it fetched, on this computer."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def _repositories(folder: Path) -> list[CachedRepoInfo]:
    from huggingface_hub import scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    try:
        return [repository for repository in scan_cache_dir(folder).repos if repository.repo_type == "model"]
    except CacheNotFound:
        return []


def _existing(folder: Path) -> Path:
    """The folder, or the nearest above it that exists: it lies on the same disk."""
    return next(place for place in (folder, *folder.parents) if place.exists())


def _remove_dangling(views: Path) -> None:
    for view in views.iterdir() if views.is_dir() else ():
        if any(link.is_symlink() and not link.exists() for link in view.iterdir()):
            shutil.rmtree(view)
