"""Where a model's files are: in a folder, or on huggingface.co, from where only the needed ones are fetched.

`files_for` gives a folder that `from_pretrained` can read. For a repository of many shards it is a view: links to
just the shards that hold the wanted tensors, with an index of just those. Before anything is fetched, `Room` says
whether it may (`room.py`).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Protocol

from huggingface_hub.errors import RepositoryNotFoundError
from transformers.utils import SAFE_WEIGHTS_INDEX_NAME, SAFE_WEIGHTS_NAME, cached_file

from meadow_client.errors import ModelNotFoundError
from meadow_client.models.file_ends import ends_of, ends_on_hub
from meadow_client.models.room import Room

_LAYER = re.compile(r"\.(\d+)\.")


class ModelFiles(Protocol):
    """One model's files, by their names in the repository."""

    @property
    def name(self) -> str:
        """The last part of what the model is called."""
        ...

    def find(self, filename: str) -> Path | None:
        """The local path of a file, fetched first if need be; None when the model has no such file."""
        ...

    def ends(self, filename: str, length: int) -> bytes | None:
        """The first and the last `length` bytes of a file, without fetching the rest; None when there is none."""
        ...

    def folder_for(self, tensors: Callable[[str], bool]) -> Path:
        """A folder with everything but weights that hold none of the wanted tensors."""
        ...

    def without_fetching(self) -> ModelFiles:
        """The same files, as far as they are on this computer."""
        ...


@dataclass(frozen=True)
class FolderFiles:
    """A model in a folder of this computer."""

    folder: Path

    @property
    def name(self) -> str:
        return self.folder.name

    def find(self, filename: str) -> Path | None:
        path = self.folder / filename
        return path if path.is_file() else None

    def ends(self, filename: str, length: int) -> bytes | None:
        path = self.find(filename)
        return None if path is None else ends_of(path, length)

    def folder_for(self, _tensors: Callable[[str], bool]) -> Path:
        return self.folder  # safetensors maps files into memory and reads only what is asked for

    def without_fetching(self) -> FolderFiles:
        return self


@dataclass(frozen=True)
class HubFiles:
    """A model on huggingface.co, or in its local cache."""

    repository: str
    views: Path
    fetch: Callable[[str, str], Path | None]
    room: Room = field(default_factory=Room)
    fetch_ends: Callable[[str, str, int], bytes | None] = ends_on_hub

    @property
    def name(self) -> str:
        return self.repository.rsplit("/", 1)[-1]

    def find(self, filename: str) -> Path | None:
        self.room.check(self.repository, [filename])
        return self.fetch(self.repository, filename)

    def ends(self, filename: str, length: int) -> bytes | None:
        path = self.without_fetching().find(filename)
        return self.fetch_ends(self.repository, filename, length) if path is None else ends_of(path, length)

    def without_fetching(self) -> HubFiles:
        here = partial(_fetch, is_fetched=False)
        return replace(self, fetch=here, room=Room(), fetch_ends=lambda _repository, _filename, _length: None)

    def folder_for(self, tensors: Callable[[str], bool]) -> Path:
        index_file = self.find(SAFE_WEIGHTS_INDEX_NAME)
        config_file = self.find("config.json")
        if config_file is None:
            raise ModelNotFoundError(f"{self.repository} holds no config.json, so it is not a model")
        if index_file is None:
            self.find(SAFE_WEIGHTS_NAME)
            return config_file.parent
        index = json.loads(index_file.read_text(encoding="utf-8"))
        wanted = {name: shard for name, shard in index["weight_map"].items() if tensors(name)}
        return self._view(config_file, wanted)

    def _view(self, config_file: Path, weight_map: dict[str, str]) -> Path:
        key = hashlib.sha256(json.dumps([self.repository, weight_map], sort_keys=True).encode()).hexdigest()[:16]
        view = self.views / key
        view.mkdir(parents=True, exist_ok=True)
        self.room.check(self.repository, set(weight_map.values()))
        for shard in sorted(set(weight_map.values())):
            path = self.find(shard)
            if path is None:
                raise ModelNotFoundError(f"{self.repository} names a file {shard} that it does not hold")
            _link(view / shard, path)
        for name in ("config.json", "generation_config.json"):
            path = self.find(name)
            if path is not None:
                _link(view / name, path)
        index = {"metadata": {}, "weight_map": weight_map}
        (view / SAFE_WEIGHTS_INDEX_NAME).write_text(json.dumps(index), encoding="utf-8")
        return view


def find_files(
    model: str, views: Path | None = None, room: Room | None = None, *, may_fetch: bool = True
) -> ModelFiles:
    """The files of MODEL: a folder if there is one of this name, else a repository on huggingface.co.

    With `may_fetch=False` nothing is fetched to find that out; it may be later, to use them.

    Raises:
        ModelNotFoundError: neither can be found.
        NoRoomForModelError: `room` forbids to fetch it.
    """
    folder = Path(model).expanduser()
    if folder.is_dir():
        return FolderFiles(folder.resolve())
    looks_like_repository = re.fullmatch(r"[\w.-]+(/[\w.-]+)?", model) is not None and not model.startswith(".")
    if folder.exists() or not looks_like_repository:
        raise ModelNotFoundError(f"There is no folder {model}")
    files = HubFiles(model, views or default_views(), _fetch, room or Room())
    if not may_fetch and not _are_described_here(files.without_fetching()):
        raise ModelNotFoundError(f"There is no folder {model}, and no model of this name is on this computer")
    if may_fetch and files.find("config.json") is None:
        raise ModelNotFoundError(f"There is no folder {model}, and no model of this name could be fetched")
    return files


def is_in_layers(keep: range | None) -> Callable[[str], bool]:
    """Chooses tensors by name: of the layers in `keep`, or of no layer when None."""

    def choose(name: str) -> bool:
        match = _LAYER.search(name)
        if match is None:
            return keep is None
        return keep is not None and int(match[1]) in keep

    return choose


def _are_described_here(files: HubFiles) -> bool:
    """Whether that lies in the cache which a model is known by."""
    weights = (SAFE_WEIGHTS_INDEX_NAME, SAFE_WEIGHTS_NAME)
    return files.find("config.json") is not None and any(files.find(name) is not None for name in weights)


def _fetch(repository: str, filename: str, *, is_fetched: bool = True) -> Path | None:
    try:
        path = cached_file(
            repository,
            filename,
            local_files_only=not is_fetched,
            _raise_exceptions_for_gated_repo=False,
            _raise_exceptions_for_missing_entries=False,
            _raise_exceptions_for_connection_errors=False,
        )
    except OSError as error:
        if isinstance(error.__cause__, RepositoryNotFoundError):
            return None
        raise
    return None if path is None else Path(path)


def default_views() -> Path:
    """Where views of repositories lie; links only."""
    import platformdirs

    return platformdirs.user_cache_path("meadow", appauthor=False) / "views"


def _link(link: Path, target: Path) -> None:
    if not link.exists():
        link.unlink(missing_ok=True)
        link.symlink_to(target)
