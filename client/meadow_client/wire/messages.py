"""The messages of Meadow's one protocol, `/meadow/span/1`.

A client opens a stream to every server of a chain and says `Open`, which each of them answers with `Opened`. In a
session it then sends `Step`s to the first server; a step names the servers that come after (`route`), and each hands
its output on to the next over a stream of its own, which begins with `Join`. The last one answers the client with
`Result`s on the stream that the client opened to it. A server that cannot go on says `Failure` to the client,
wherever it stands in the chain; one whose memory is full says `Queued` and goes on later. Stateless streams carry
`Forward` and `Backward`, each answered by one `Result` or `Failure` in order. Tensors follow the header of a frame in
the order of `tensors`.

Shapes: B sequences, T new tokens, P tokens already cached, D model width, K <= T tokens that are wanted back.

    hidden          [B, T, D]   what enters the layers; in a Result [B, K, D], what leaves them
    scale           [B, T]      float32, only beside a `hidden` of int8: see `session/codec.py`
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

_Peer = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
_SessionId = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{32}$")]

TensorName = Literal["hidden", "scale", "position_ids", "attention_mask", "beam_idx", "grad"]
DType = Literal["float32", "bfloat16", "float16", "int8", "int64", "bool"]
Codec = Literal["raw", "int8"]
DTYPE_BYTES: dict[str, int] = {"float32": 4, "bfloat16": 2, "float16": 2, "int8": 1, "int64": 8, "bool": 1}


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


_Tensors = Annotated[tuple[TensorHeader, ...], msgspec.Meta(max_length=5)]


class Timing(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What one server spent on a step: in its queue, computing, and receiving the step's body (0: not measured)."""

    queue_s: float
    compute_s: float
    receive_s: float = 0.0


_Timings = Annotated[tuple[Timing, ...], msgspec.Meta(max_length=64)]


class Open(msgspec.Struct, frozen=True, tag="open", forbid_unknown_fields=True):
    """Begin: use layers [start, end) of a model, all of them on this server.

    `batch` and `max_length` (tokens) bound what later steps may ask for; `kind` says which messages follow. A session
    has an id that only its client and its servers know. `next` is the peer to which the server should connect now, so
    that steps can go straight there.
    """

    version: int
    kind: Literal["session", "stateless"]
    model: _Name
    start: _Layer
    end: _Layer
    batch: Annotated[int, msgspec.Meta(ge=1, le=MAX_BATCH)]
    max_length: Annotated[int, msgspec.Meta(ge=1, le=MAX_TOKENS)]
    session: _SessionId | None = None
    next: _Peer | None = None


class Join(msgspec.Struct, frozen=True, tag="join", forbid_unknown_fields=True):
    """The first message of one server's stream to the next: what follows are steps of this session."""

    version: int
    session: _SessionId


class Opened(msgspec.Struct, frozen=True, tag="opened", forbid_unknown_fields=True):
    """The server agrees. `max_step_tokens` bounds B x T of one message; `is_linked` if `next` was reached."""

    width: Annotated[int, msgspec.Meta(ge=1, le=1 << 20)]
    dtype: Literal["float32", "bfloat16", "float16"]
    max_step_tokens: Annotated[int, msgspec.Meta(ge=1, le=MAX_TOKENS)]
    is_linked: bool = False


class Step(msgspec.Struct, frozen=True, tag="step", forbid_unknown_fields=True):
    """Continue a session at token `position`; less than what is cached rolls the cache back first.

    The output goes to the first peer of `route`, or to the client when the route is empty. Of the last server's
    output, only what stands at `keep_from` or later is wanted. `is_part` if it is one of several that a prompt was cut
    into. `codec` is how every server sends its output on, the last one's answer included; what comes in says by itself
    how it is packed. `timings` says what the servers before spent, once: a server that hands a step on in parts says
    it with the first of them.
    """

    position: _Count
    tensors: _Tensors
    route: Annotated[tuple[_Peer, ...], msgspec.Meta(max_length=64)] = ()
    keep_from: _Count = 0
    is_part: bool = False
    codec: Codec = "raw"
    timings: _Timings = ()


class Forward(msgspec.Struct, frozen=True, tag="forward", forbid_unknown_fields=True):
    """Run the layers once without a cache."""

    tensors: _Tensors


class Backward(msgspec.Struct, frozen=True, tag="backward", forbid_unknown_fields=True):
    """Run the layers again on `hidden` and pull `grad` back through them."""

    tensors: _Tensors


class Result(msgspec.Struct, frozen=True, tag="result", forbid_unknown_fields=True):
    """The answer to a step or to a part of one: `tokens` tokens from `position` on are done.

    `timings` has what every server on the way spent, in order; added up over the parts of a step, it is right.
    """

    tensors: _Tensors
    timings: _Timings = ()
    position: _Count = 0
    tokens: _Count = 0


class Queued(msgspec.Struct, frozen=True, tag="queued", forbid_unknown_fields=True):
    """The server has no memory for this session now and goes on when it has some, within `patience_s`."""

    place: Annotated[int, msgspec.Meta(ge=1, le=1 << 20)]
    patience_s: Annotated[float, msgspec.Meta(ge=0, le=3600)]


class Failure(msgspec.Struct, frozen=True, tag="failure", forbid_unknown_fields=True):
    """The request could not be met. A code, never text, crosses the network."""

    code: Annotated[str, msgspec.Meta(pattern="^[a-z][a-z-]{0,62}$")]


Request = Open | Join | Step | Forward | Backward
Reply = Opened | Result | Queued | Failure
Message = Request | Reply
