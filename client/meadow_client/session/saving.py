"""A session as a file: what it was fed with, so that it can be computed again on any servers.

A file in the safetensors format. Every tensor is named `POSITION.NAME` after the piece of the history it belongs to;
`tokens` and `text` are what the session knows of its model's input. The metadata say for which layers of which model
they are. Nothing of the servers is in it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from meadow_client.errors import UsageError
from meadow_client.session.history import History

_FORMAT = "meadow-session-1"


@dataclass(frozen=True)
class SavedSession:
    """Layers [start, end) of the model with this fingerprint, and `position` tokens for them."""

    model: str
    start: int
    end: int
    max_length: int
    position: int
    history: History
    known: dict[str, torch.Tensor] = field(default_factory=dict)


def write_session(path: Path, saved: SavedSession) -> None:
    """Write the file, whole or not at all.

    Raises:
        OSError: it cannot be written.
    """
    tensors = {name: tensor.contiguous() for name, tensor in saved.known.items()}
    for position, piece in saved.history.pieces(saved.position, max(1, saved.position)):
        tensors |= {f"{position}.{name}": tensor.contiguous() for name, tensor in piece.items()}
    numbers = {name: getattr(saved, name) for name in ("start", "end", "max_length", "position")}
    metadata = {"format": _FORMAT, "model": saved.model, **{name: str(number) for name, number in numbers.items()}}
    part = path.with_name(path.name + ".part")
    try:
        save_file({name: tensor.clone() for name, tensor in tensors.items()}, part, metadata)
        os.replace(part, path)
    except SafetensorError as error:
        raise OSError(str(error)) from error
    finally:
        part.unlink(missing_ok=True)


def read_session(path: Path) -> SavedSession:
    """Read what `write_session` wrote.

    Raises:
        OSError: the file cannot be read.
        UsageError: it is no saved session.
    """
    advice = "Give a file that session.save() wrote."
    if not path.is_file():
        raise UsageError(f"There is no saved session at {path}", advice)
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != _FORMAT:
                raise UsageError(f"{path} is not a saved session", advice)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no dictionary
        start, end, max_length, position = (int(metadata[name]) for name in ("start", "end", "max_length", "position"))
        return SavedSession(
            metadata["model"],
            start,
            end,
            max_length,
            position,
            _history(tensors),
            {name: tensor for name, tensor in tensors.items() if "." not in name},
        )
    except (SafetensorError, KeyError, ValueError) as error:
        raise UsageError(f"{path} is damaged, or not a saved session", advice) from error


def _history(tensors: dict[str, torch.Tensor]) -> History:
    pieces: dict[int, dict[str, torch.Tensor]] = {}
    for name, tensor in tensors.items():
        number, dot, kind = name.partition(".")
        if dot:
            pieces.setdefault(int(number), {})[kind] = tensor
    history = History()
    for position in sorted(pieces):
        history.put(position, pieces[position])
    return history
