"""The messages of Meadow's one protocol, `/meadow/span/1`.

A client opens a stream to a server, says `Open`, hears `Opened`, then sends `Step`s (a session with a KV cache) or
`Forward` and `Backward` (stateless), each answered by one `Result` or `Failure` in order. Tensors follow the
header of a frame in the order of `tensors`.

Shapes: B sequences, T new tokens, P tokens already cached, D model width.

    hidden          [B, T, D]   what enters the layers, or leaves them
    position_ids    [B, T]      int64; absent: P, P+1, … for every sequence
    attention_mask  [B, P + T]  bool, false is padding; absent: nothing is padded
    beam_idx        [B]         int64; the cache's rows are taken in this order before the step
    grad            [B, T, D]   gradient with respect to the output (in Backward), to the input (in its Result)
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

PROTOCOL = "/meadow/span/1"
VERSION = 1

MAX_BATCH = 1024
MAX_TOKENS = 1 << 22
MAX_LAYERS = 1 << 12

_Count = Annotated[int, msgspec.Meta(ge=0, le=MAX_TOKENS)]
_Layer = Annotated[int, msgspec.Meta(ge=0, le=MAX_LAYERS)]
_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
_Dimension = Annotated[int, msgspec.Meta(ge=0, le=MAX_TOKENS)]

TensorName = Literal["hidden", "position_ids", "attention_mask", "beam_idx", "grad"]
DType = Literal["float32", "bfloat16", "float16", "int64", "bool"]
DTYPE_BYTES: dict[str, int] = {"float32": 4, "bfloat16": 2, "float16": 2, "int64": 8, "bool": 1}


class TensorHeader(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One tensor of a frame's body; C order, little endian."""

    name: TensorName
    dtype: DType
    shape: Annotated[tuple[_Dimension, ...], msgspec.Meta(max_length=3)]

    @property
    def nbytes(self) -> int:
        count = DTYPE_BYTES[self.dtype]
        for size in self.shape:
            count *= size
        return count


_Tensors = Annotated[tuple[TensorHeader, ...], msgspec.Meta(max_length=4)]


class Open(msgspec.Struct, frozen=True, tag="open", forbid_unknown_fields=True):
    """Begin: use layers [start, end) of a model, all of them on this server.

    `batch` and `max_length` (tokens) bound what later steps may ask for; `kind` says which messages follow.
    """

    version: int
    kind: Literal["session", "stateless"]
    model: _Name
    start: _Layer
    end: _Layer
    batch: Annotated[int, msgspec.Meta(ge=1, le=MAX_BATCH)]
    max_length: Annotated[int, msgspec.Meta(ge=1, le=MAX_TOKENS)]


class Opened(msgspec.Struct, frozen=True, tag="opened", forbid_unknown_fields=True):
    """The server agrees. `max_step_tokens` bounds B x T of one message."""

    width: Annotated[int, msgspec.Meta(ge=1, le=1 << 20)]
    dtype: Literal["float32", "bfloat16", "float16"]
    max_step_tokens: Annotated[int, msgspec.Meta(ge=1, le=MAX_TOKENS)]


class Step(msgspec.Struct, frozen=True, tag="step", forbid_unknown_fields=True):
    """Continue a session at token `position`; less than what is cached rolls the cache back first."""

    position: _Count
    tensors: _Tensors


class Forward(msgspec.Struct, frozen=True, tag="forward", forbid_unknown_fields=True):
    """Run the layers once without a cache."""

    tensors: _Tensors


class Backward(msgspec.Struct, frozen=True, tag="backward", forbid_unknown_fields=True):
    """Run the layers again on `hidden` and pull `grad` back through them."""

    tensors: _Tensors


class Result(msgspec.Struct, frozen=True, tag="result", forbid_unknown_fields=True):
    """The answer to a step: one tensor, and how many seconds it waited and was computed."""

    tensors: _Tensors
    queue_s: float
    compute_s: float


class Failure(msgspec.Struct, frozen=True, tag="failure", forbid_unknown_fields=True):
    """The request could not be met. A code, never text, crosses the network."""

    code: Annotated[str, msgspec.Meta(pattern="^[a-z][a-z-]{0,62}$")]


Request = Open | Step | Forward | Backward
Reply = Opened | Result | Failure
Message = Request | Reply
