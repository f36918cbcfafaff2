"""What of a model has to be fetched for chatting with it, how much of that lies here, and what can go wrong on the way.

A plan names the files that `meadow_client.models` reads for the client's end: config, tokenizer, and of the weights
only the files with tensors outside the layers (`models/files.py` fetches the same ones). Sizes and hashes come from the
Hub in one request; a model of several weight files costs a second one, for the index that says what lies where.

Files lie in huggingface_hub's own cache: `blobs/HASH`, with links to them in `snapshots/COMMIT`. One that is not whole
yet is `blobs/HASH.meadow.incomplete`. Everything here may wait for network and disk: call it in a thread.
"""

from __future__ import annotations

import errno
import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import HfApi, constants, hf_hub_download
from huggingface_hub.errors import (
    DisabledRepoError,
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from meadow_client.errors import MeadowError, ModelNotFoundError, ModelUnusableError
from meadow_client.models.file_ends import is_network_failure

_INDEX = "model.safetensors.index.json"
_ONE_FILE = "model.safetensors"
# What Transformers may read for a config and a tokenizer.
_BESIDE_WEIGHTS = (
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "tokenizer.model",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
    "chat_template.json",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
    "spiece.model",
)
_REPOSITORY = re.compile(r"[\w.-]+(/[\w.-]+)?")
_HASH = re.compile(r"[0-9a-f]{40,64}")  # they become names of files
_PATIENCE_S = 10.0
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)


class HubUnreachableError(MeadowError):
    code = "hub-unreachable"
    advice = "Check the network and try again; what has arrived is kept."

    def __init__(self, why: str = "", advice: str | None = None) -> None:
        super().__init__("huggingface.co cannot be reached" + (f" ({why})" if why else ""), advice)


class ModelGatedError(MeadowError):
    code = "model-gated"

    def __init__(self, model: str) -> None:
        super().__init__(f"The makers of {model} give it only to those who ask for it")
        self.advice = f"Ask for it at https://huggingface.co/{model}, then log in here with `hf auth login`."


class DiskFullError(MeadowError):
    code = "disk-full"
    advice = "Free some space there and try again; what has arrived is kept."

    def __init__(self, folder: Path, missing_bytes: int = 0) -> None:
        more = f": {missing_bytes / 1e9:.1f} GB more are needed" if missing_bytes else ""
        super().__init__(f"The disk with {folder} has not enough space{more}")


@dataclass(frozen=True)
class PlannedFile:
    """One file of a repository. `blob` is its content's name in the cache: the Hub's hash."""

    name: str
    size_bytes: int
    blob: str


@dataclass(frozen=True)
class DownloadPlan:
    """All files that are needed, at one commit; empty for a model that is no repository. `folder` is the model's."""

    model: str
    commit: str = ""
    folder: Path | None = None
    files: tuple[PlannedFile, ...] = ()

    @property
    def total_bytes(self) -> int:
        return sum(file.size_bytes for file in self.files)

    def here_bytes(self) -> int:
        """What lies on the disk now."""
        return sum(min(file.size_bytes, _size_here(self, file)) for file in self.files)

    def free_bytes(self) -> int:
        """Free space where the files lie, or would."""
        where = self.folder or Path(constants.HF_HUB_CACHE)
        existing = next(folder for folder in (where, *where.parents) if folder.exists())
        return shutil.disk_usage(existing).free


@dataclass(frozen=True)
class Hub:
    """Which hub, and where its files are kept; None stands for what huggingface_hub itself would take."""

    endpoint: str | None = None
    cache: Path | None = None

    def plan(self, model: str) -> DownloadPlan:
        """What chatting with MODEL needs.

        Raises:
            MeadowError: it is no model, may not be had, or the Hub cannot be reached; see `explain`.
        """
        if model in ("", "demo") or Path(model).expanduser().is_dir():
            return DownloadPlan(model)
        if _REPOSITORY.fullmatch(model) is None or model.startswith("."):
            raise ModelNotFoundError(f"There is no folder {model}, and no model can have this name")
        try:
            return self._plan(model)
        except (OSError, HFValidationError, json.JSONDecodeError, KeyError) as error:
            raise explain(error, model, self.folder_of(model)) from error
        except Exception as error:
            if is_network_failure(error):
                raise explain(error, model, self.folder_of(model)) from error
            raise

    def folder_of(self, model: str) -> Path:
        """Where a model's files are kept."""
        cache = self.cache or Path(constants.HF_HUB_CACHE)
        return cache / "--".join(["models", *model.split("/")])

    def _plan(self, model: str) -> DownloadPlan:
        found = HfApi(endpoint=self.endpoint).model_info(model, files_metadata=True, timeout=_PATIENCE_S)
        commit = str(found.sha)
        if _HASH.fullmatch(commit) is None:
            raise HubUnreachableError("something else answers in its place")
        files = {}
        for item in found.siblings or ():
            blob = item.lfs.sha256 if item.lfs is not None else item.blob_id
            if blob is not None and _HASH.fullmatch(blob) and item.size is not None:
                files[item.rfilename] = PlannedFile(item.rfilename, item.size, blob)
        if "config.json" not in files:
            raise ModelNotFoundError(f"{model} holds no config.json, so it is not a model")
        weights = {_ONE_FILE}
        if _INDEX in files:
            from meadow_client.models.files import (
                is_in_layers,  # with it comes Transformers, which fetching can do without
            )

            index = hf_hub_download(
                model, _INDEX, revision=commit, cache_dir=self.cache, endpoint=self.endpoint, etag_timeout=_PATIENCE_S
            )
            wanted = is_in_layers(None)
            names = json.loads(Path(index).read_text(encoding="utf-8"))["weight_map"]
            weights = {_INDEX, *(shard for tensor, shard in names.items() if wanted(tensor))}
        if not weights <= files.keys():
            raise ModelUnusableError(f"{model} holds no weights in the form that Meadow reads (safetensors)")
        templates = {name for name in files if name.startswith("additional_chat_templates/")}
        chosen = sorted((files.keys() & {*_BESIDE_WEIGHTS, *weights}) | templates)
        return DownloadPlan(model, commit, self.folder_of(model), tuple(files[name] for name in chosen))


def incomplete_path(folder: Path, file: PlannedFile) -> Path:
    """Where a file grows until it is whole."""
    return folder / "blobs" / f"{file.blob}.meadow.incomplete"


def explain(error: Exception, model: str, folder: Path) -> MeadowError:
    """What went wrong with the Hub, the network or the disk, in a sentence with advice."""
    if isinstance(error, MeadowError):
        return error
    if isinstance(error, (GatedRepoError, DisabledRepoError)):
        return ModelGatedError(model)
    if isinstance(error, (RepositoryNotFoundError, RevisionNotFoundError, HFValidationError)):
        return ModelNotFoundError(
            f"huggingface.co holds no model {model} that you may see",
            "Check the name; for a private model log in with `hf auth login`.",
        )
    if isinstance(error, OfflineModeIsEnabled):
        return HubUnreachableError("HF_HUB_OFFLINE is set", "Start Meadow without this variable to fetch models.")
    if isinstance(error, LocalEntryNotFoundError):
        return HubUnreachableError()
    if isinstance(error, EntryNotFoundError):
        return ModelUnusableError(f"{model} lacks a file that it says it has")
    if isinstance(error, HfHubHTTPError) and error.response is not None:
        return HubUnreachableError(f"it answers {error.response.status_code}")
    if is_network_failure(error) or isinstance(error, ConnectionError):
        return HubUnreachableError()
    if isinstance(error, OSError) and error.errno in _NO_SPACE:
        return DiskFullError(folder)
    if isinstance(error, OSError) and error.errno is not None:
        return MeadowError(f"{folder} cannot be written ({error.strerror})", "Check the disk and its permissions.")
    return MeadowError(f"{model} did not arrive as the Hub announced it", "Try again; damaged parts are fetched anew.")


def _size_here(plan: DownloadPlan, file: PlannedFile) -> int:
    if plan.folder is None:
        return file.size_bytes
    for path in (plan.folder / "blobs" / file.blob, incomplete_path(plan.folder, file)):
        try:
            return path.stat().st_size
        except OSError:
            continue
    linked = plan.folder / "snapshots" / plan.commit / file.name  # without links, as on Windows, there are no blobs
    return file.size_bytes if linked.exists() else 0
