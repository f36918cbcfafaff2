"""The messages of Meadow's one protocol, `/meadow/span/1`.

A client opens a stream to every server of a chain and says `Open`, which each of them answers with `Opened`. In a
session it then sends `Step`s to the first server; a step names the servers that come after (`route`), and each hands
its output on to the next over a stream of its own, which begins with `Join`. The last one answers the client with
`Result`s on the stream that the client opened to it. A server that cannot go on says `Failure` to the client,
wherever it stands in the chain; one whose memory is full says `Queued` and goes on later. `Ping` is answered by `Pong`,
which is also said while a long message comes in, so that silence means that a server is gone.

When a server is lost, the client names another one to the server before it, which sends it again what it sent once
(`Resend`), and then goes on. `epoch` counts these changes: what belongs to an earlier one is of no use any more.
`Notice` says that a session lives but its chain does not. A server that could not connect to the next one is asked
again later (`Reach`, answered by `Reached`); meanwhile the client carries steps across. A server that leaves on purpose
says `Leaving`; the client opens the session on a successor, tells the one that leaves to send its cache there
(`HandOver`, then `Pages` from server to server), hears `Filled` from the successor, and sends further steps to that
one. Stateless streams carry `Forward` and `Backward`, each answered by one `Result` or `Failure` in order. Tensors
follow the header of a frame in the order of `tensors`.

Shapes: B sequences, T new tokens, P tokens already cached, D model width, K <= T tokens that are wanted back.

    hidden          [B, T, D]   what enters the layers; in a Result [B, K, D], what leaves them
    scale           [B, T]      float32, only beside a `hidden` of int8: see `session/codec.py`
    position_ids    [B, T]      int64; absent: P, P+1, … for every sequence
    attention_mask  [B, P + T]  bool, false is padding; absent: nothing is padded
    beam_idx        [B]         int64; the cache's rows are taken in this order before the step
    keys, values    [B, H, T, K]  of one layer's cache, in Pages; H heads of width K
    grad            [B, T, D]   gradient with respect to the output (in Backward), to the input (in its Result)
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec

PROTOCOL = "/meadow/span/1"
VERSION = 1

NEXT_LOST: Final = "next-lost"
NOT_RETAINED: Final = "not-retained"
CANNOT_GO_BACK: Final = "cannot-go-back"

MAX_BATCH = 1024
MAX_TOKENS = 1 << 22
MAX_LAYERS = 1 << 12

_Count = Annotated[int, msgspec.Meta(ge=0, le=MAX_TOKENS)]
_Layer = Annotated[int, msgspec.Meta(ge=0, le=MAX_LAYERS)]
_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
_Dimension = Annotated[int, msgspec.Meta(ge=0, le=MAX_TOKENS)]

_Peer = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
_SessionId = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{32}$")]

TensorName = Literal["hidden", "scale", "position_ids", "attention_mask", "beam_idx", "grad", "keys", "values"]
DType = Literal["float32", "bfloat16", "float16", "int8", "int64", "bool"]
Codec = Literal["raw", "int8"]
NoticeCode = Literal["next-lost", "not-retained", "cannot-go-back"]
DTYPE_BYTES: dict[str, int] = {"float32": 4, "bfloat16": 2, "float16": 2, "int8": 1, "int64": 8, "bool": 1}


class TensorHeader(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One tensor of a frame's body; C order, little endian."""

    name: TensorName
    dtype: DType
    shape: Annotated[tuple[_Dimension, ...], msgspec.Meta(max_length=4)]

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


class Address(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One server's part of a session: the peer, and the id that the session has there."""

    peer: _Peer
    session: _SessionId


_Route = Annotated[tuple[Address, ...], msgspec.Meta(max_length=64)]


class Open(msgspec.Struct, frozen=True, tag="open", forbid_unknown_fields=True):
    """Begin: use layers [start, end) of a model, all of them on this server.

    `batch` and `max_length` (tokens) bound what later steps may ask for; `kind` says which messages follow. A session
    has an id on each server that only its client and the server before know. `next` is where the server should connect
    now, so that steps can go straight there. With `retain` it keeps what it sends on, for as long as it has room.
    """

    version: int
    kind: Literal["session", "stateless"]
    model: _Name
    start: _Layer
    end: _Layer
    batch: Annotated[int, msgspec.Meta(ge=1, le=MAX_BATCH)]
    max_length: Annotated[int, msgspec.Meta(ge=1, le=MAX_TOKENS)]
    session: _SessionId | None = None
    next: Address | None = None
    retain: bool = False


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

    The output goes to the first server of `route`, or to the client when the route is empty. Of the last server's
    output, only what stands at `keep_from` or later is wanted. `is_part` if it is one of several that a prompt was cut
    into. `codec` is how every server sends its output on, the last one's answer included; what comes in says by itself
    how it is packed. `timings` says what the servers before spent, once: a server that hands a step on in parts says
    it with the first of them. `order` is the number of the latest reordering of rows, this step's `beam_idx` included;
    a server that has it already does not apply it again.
    """

    position: _Count
    tensors: _Tensors
    route: _Route = ()
    keep_from: _Count = 0
    is_part: bool = False
    codec: Codec = "raw"
    timings: _Timings = ()
    epoch: _Count = 0
    order: _Count = 0


class Resend(msgspec.Struct, frozen=True, tag="resend", forbid_unknown_fields=True):
    """Send tokens [0, end) again as they were sent once, along `route`, in steps of at most `piece_tokens`."""

    end: Annotated[int, msgspec.Meta(ge=1, le=MAX_TOKENS)]
    epoch: _Count
    route: Annotated[tuple[Address, ...], msgspec.Meta(min_length=1, max_length=64)]
    piece_tokens: Annotated[int, msgspec.Meta(ge=1, le=MAX_TOKENS)]


class Ping(msgspec.Struct, frozen=True, tag="ping", forbid_unknown_fields=True):
    """Say at once whether you are alive, whatever you are computing."""


class Reach(msgspec.Struct, frozen=True, tag="reach", forbid_unknown_fields=True):
    """Connect to this server now: steps will soon go there. Answered by `Reached`."""

    to: Address


class HandOver(msgspec.Struct, frozen=True, tag="hand-over", forbid_unknown_fields=True):
    """Send what the cache holds from token `first` on to a successor."""

    to: Address
    first: _Count
    epoch: _Count


class Release(msgspec.Struct, frozen=True, tag="release", forbid_unknown_fields=True):
    """There is no successor: leave when you must."""


class Pages(msgspec.Struct, frozen=True, tag="pages", forbid_unknown_fields=True):
    """From server to server: a part of one layer's cache, from token `position` on.

    All of them together hold tokens [first, end) of every layer; `layer` counts from the session's first one here.
    """

    layer: _Layer
    position: _Count
    first: _Count
    end: _Count
    tensors: _Tensors
    epoch: _Count
    order: _Count = 0


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
    epoch: _Count = 0


class Pong(msgspec.Struct, frozen=True, tag="pong", forbid_unknown_fields=True):
    """A sign of life."""


class Notice(msgspec.Struct, frozen=True, tag="notice", forbid_unknown_fields=True):
    """This server goes on, but not along this way.

    `next-lost`: it cannot reach the next server; `not-retained`: it cannot send again what it is asked for;
    `cannot-go-back`: its caches do not roll back, and must be filled anew from the first token.
    """

    code: NoticeCode
    epoch: _Count


class Leaving(msgspec.Struct, frozen=True, tag="leaving", forbid_unknown_fields=True):
    """This server ends in `within_s` seconds; until then it goes on."""

    within_s: Annotated[float, msgspec.Meta(ge=0, le=3600)]


class Filled(msgspec.Struct, frozen=True, tag="filled", forbid_unknown_fields=True):
    """All pages up to token `end` have come; 0 from a server that has no pages to hand over."""

    end: _Count


class Reached(msgspec.Struct, frozen=True, tag="reached", forbid_unknown_fields=True):
    """Whether this server has a stream to that one's session now.

    Of several `Reach`es that wait at the same time, only the last one is answered.
    """

    to: Address
    is_linked: bool


class Queued(msgspec.Struct, frozen=True, tag="queued", forbid_unknown_fields=True):
    """The server has no memory for this session now and goes on when it has some, within `patience_s`."""

    place: Annotated[int, msgspec.Meta(ge=1, le=1 << 20)]
    patience_s: Annotated[float, msgspec.Meta(ge=0, le=3600)]


class Failure(msgspec.Struct, frozen=True, tag="failure", forbid_unknown_fields=True):
    """The request could not be met. A code, never text, crosses the network."""

    code: Annotated[str, msgspec.Meta(pattern="^[a-z][a-z-]{0,62}$")]


Request = Open | Join | Step | Resend | Ping | Reach | HandOver | Release | Pages | Forward | Backward
Reply = Opened | Result | Queued | Notice | Pong | Leaving | Filled | Reached | Failure
Message = Request | Reply
