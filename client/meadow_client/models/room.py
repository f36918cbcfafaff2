"""How much of the disk model files may take: asked before any are fetched from huggingface.co.

What lies in that library's cache already counts, whoever put it there. Where nobody says how large a file is, it is
fetched: the limit protects a disk, and is no reason to do without a model whose size could not be asked for.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping

from meadow_client.errors import MeadowError

_GB = 10**9

Sizes = Callable[[str], Mapping[str, int]]

log = logging.getLogger(__name__)


class NoRoomForModelError(MeadowError):
    """Files of a model would take more of the disk than model files may."""

    code = "models-limit"
    advice = "Delete a model that you do not need, or raise the setting models_gb."

    def __init__(self, repository: str, needed_bytes: int, present_bytes: int, limit_bytes: int) -> None:
        super().__init__(
            f"The files of {repository} need {_gigabytes(needed_bytes)} more on the disk, where model files take"
            f" {_gigabytes(present_bytes)} of the {_gigabytes(limit_bytes)} that they may"
        )


class Room:
    """A limit in bytes; 0 is none. Called from worker threads."""

    def __init__(self, limit_bytes: Callable[[], int] = lambda: 0, sizes: Sizes | None = None) -> None:
        """`limit_bytes` is asked every time; `sizes` says how large the files of a repository are, in bytes."""
        self._limit_bytes = limit_bytes
        self._sizes = sizes or sizes_on_hub
        self._known: dict[str, Mapping[str, int]] = {}

    def check(self, repository: str, filenames: Iterable[str]) -> None:
        """Whether these files may be fetched, as far as they are not here.

        Raises:
            NoRoomForModelError: they may not.
        """
        limit_bytes = self._limit_bytes()
        if limit_bytes <= 0:
            return
        missing = {name for name in filenames if not _is_here(repository, name)}
        if not missing:
            return
        if not self._known.get(repository):
            self._known[repository] = self._sizes(repository)
        needed_bytes = sum(self._known[repository].get(name, 0) for name in missing)
        present_bytes = bytes_on_disk() if needed_bytes else 0
        if needed_bytes and present_bytes + needed_bytes > limit_bytes:
            raise NoRoomForModelError(repository, needed_bytes, present_bytes, limit_bytes)


def bytes_on_disk() -> int:
    """What all models in huggingface.co's cache take."""
    from huggingface_hub import constants, scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    try:
        found = scan_cache_dir(constants.HF_HUB_CACHE).repos
        return sum(repository.size_on_disk for repository in found if repository.repo_type == "model")
    except CacheNotFound:
        return 0


def sizes_on_hub(repository: str) -> Mapping[str, int]:
    """The sizes of a repository's files in bytes, as huggingface.co says; empty where it does not answer."""
    from huggingface_hub import HfApi

    try:
        files = HfApi().model_info(repository, files_metadata=True, timeout=10).siblings or []
    except Exception as error:  # noqa: BLE001 - kinds differ with the library's release; all mean that nobody knows
        log.info("The size of %s is not known (%s)", repository, type(error).__name__)
        return {}
    return {file.rfilename: file.size or 0 for file in files}


def _is_here(repository: str, filename: str) -> bool:
    """Whether the file lies in the cache."""
    from huggingface_hub import constants, try_to_load_from_cache

    return isinstance(try_to_load_from_cache(repository, filename, constants.HF_HUB_CACHE), str)


def _gigabytes(size_bytes: int) -> str:
    return f"{size_bytes / _GB:.1f} GB" if size_bytes >= _GB / 10 else f"{size_bytes / 10**6:.1f} MB"
