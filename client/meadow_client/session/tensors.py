"""Tensors as the bytes of a frame, and back. C order, little endian, no copy where none is needed."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from meadow_client.wire.frames import Buffer
from meadow_client.wire.messages import DType, TensorHeader, TensorName

_DTYPES: dict[str, torch.dtype] = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
    "int8": torch.int8,
    "int64": torch.int64,
    "bool": torch.bool,
}
_NAMES: dict[torch.dtype, DType] = {dtype: name for name, dtype in _DTYPES.items()}  # type: ignore[misc]


def dtype_name(dtype: torch.dtype) -> DType:
    return _NAMES[dtype]


def dtype_named(name: str) -> torch.dtype:
    return _DTYPES[name]


def to_wire(tensors: Mapping[TensorName, torch.Tensor]) -> tuple[tuple[TensorHeader, ...], list[Buffer]]:
    """Headers and bytes of tensors, which may lie on any device."""
    headers: list[TensorHeader] = []
    bodies: list[Buffer] = []
    for name, tensor in tensors.items():
        flat = tensor.detach().to("cpu").contiguous()
        headers.append(TensorHeader(name, dtype_name(flat.dtype), tuple(flat.shape)))
        bodies.append(flat.reshape(-1).view(torch.uint8).numpy().data if flat.numel() else b"")
    return tuple(headers), bodies


def from_wire(header: TensorHeader, data: Buffer) -> torch.Tensor:
    """A tensor on the CPU from its header and bytes, whose sizes were checked before."""
    if not data:
        return torch.empty(header.shape, dtype=_DTYPES[header.dtype])
    # torch refuses memory that cannot be written
    memory = data if isinstance(data, bytearray) else bytearray(data)
    return torch.frombuffer(memory, dtype=_DTYPES[header.dtype]).reshape(header.shape)
