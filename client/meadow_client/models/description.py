"""What is known of a model before its weights are read: its config, its size, its fingerprint, its files.

A fingerprint says whether two computers mean the same model: a hash over the config and over the names and places
of all tensors; where one file holds them all, over its ends, which have those and a sample of the weights. Folder or
repository name, dtype and version of Transformers do not matter, the last part of the name does.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub.errors import StrictDataclassError
from transformers import AutoConfig, PreTrainedConfig
from transformers.utils import SAFE_WEIGHTS_INDEX_NAME, SAFE_WEIGHTS_NAME

from meadow_client.errors import ModelNotFoundError, ModelUnusableError
from meadow_client.models.files import ModelFiles, find_files
from meadow_client.models.room import Room

_VOLATILE = {"transformers_version", "_name_or_path", "dtype", "torch_dtype", "use_cache", "architectures"}
_SAMPLE_BYTES = 65536


@dataclass(frozen=True)
class ModelDescription:
    """A model by its files. `fingerprint` is how the swarm names it, `name` how people do, `source` is where it is."""

    name: str
    source: str
    fingerprint: str
    files: ModelFiles
    config: PreTrainedConfig

    @property
    def text_config(self) -> PreTrainedConfig:
        return self.config.get_text_config(decoder=True)

    @property
    def num_layers(self) -> int:
        return int(self.text_config.num_hidden_layers)

    @property
    def width(self) -> int:
        return int(self.text_config.hidden_size)

    @property
    def context_length(self) -> int:
        """How many tokens the model was made for; 2048 where its config does not say."""
        config = self.text_config
        for name in ("max_position_embeddings", "n_positions", "seq_length", "max_seq_len"):
            value = getattr(config, name, None)
            if isinstance(value, int) and value > 0:
                return value
        return 2048


def describe(model: str, room: Room | None = None, *, may_fetch: bool = True) -> ModelDescription:
    """Read the description of a folder or of a repository on huggingface.co.

    Of the weights nothing is fetched but the ends of a single file; `room` bounds what may be, now and when the files
    are used. With `may_fetch=False` nothing is fetched now.

    Raises:
        ModelNotFoundError: there is no such folder or repository, or it holds no config.
        NoRoomForModelError: `room` forbids to fetch it.
        ModelUnusableError: the config names an architecture that Transformers does not know, or no layers.
    """
    files = find_files(model, room=room, may_fetch=may_fetch)
    here = files if may_fetch else files.without_fetching()
    config_file = here.find("config.json")
    if config_file is None:
        raise ModelNotFoundError(f"{model} holds no config.json, so it is not a model")
    try:
        json.loads(config_file.read_text(encoding="utf-8"))
        config = AutoConfig.from_pretrained(str(config_file.parent))
        num_layers = config.get_text_config(decoder=True).num_hidden_layers
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ModelUnusableError(f"The config.json of {model} is not valid JSON") from error
    except (ValueError, OSError, AttributeError, TypeError, KeyError, StrictDataclassError) as error:
        raise ModelUnusableError(
            f"The config.json of {model} does not describe a model that Transformers knows"
        ) from error
    if not isinstance(num_layers, int) or num_layers < 1:
        raise ModelUnusableError(f"The model {model} has no transformer layers")
    return ModelDescription(files.name, model, _fingerprint(here, config_file), files, config)


def _fingerprint(files: ModelFiles, config_file: Path) -> str:
    config: dict[str, Any] = json.loads(config_file.read_text(encoding="utf-8"))
    for name in _VOLATILE:
        config.pop(name, None)
    digest = hashlib.sha256(json.dumps(config, sort_keys=True).encode())
    digest.update(files.name.lower().encode())
    index = files.find(SAFE_WEIGHTS_INDEX_NAME)
    if index is not None:
        weight_map = json.loads(index.read_text(encoding="utf-8")).get("weight_map", {})
        digest.update(json.dumps(weight_map, sort_keys=True).encode())
    elif (ends := files.ends(SAFE_WEIGHTS_NAME, _SAMPLE_BYTES)) is not None:
        digest.update(ends)
    return digest.hexdigest()[:24]
