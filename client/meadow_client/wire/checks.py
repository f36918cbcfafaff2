"""What a message may contain, given what was agreed when the stream was opened.

Every function here runs before the memory for a frame's body is taken and raises BrokenFrameError, so that code
behind it can trust shapes, dtypes and sizes.
"""

from __future__ import annotations

from dataclasses import dataclass

from meadow_client.errors import BrokenFrameError
from meadow_client.wire.messages import (
    Backward,
    Failure,
    Filled,
    Forward,
    HandOver,
    Join,
    Leaving,
    Notice,
    Open,
    Opened,
    Pages,
    Ping,
    Pong,
    Queued,
    Reach,
    Reached,
    Release,
    Reply,
    Request,
    Resend,
    Result,
    Step,
    TensorHeader,
)

MAX_PAGES_BYTES = 4 * 1024 * 1024

_FLOATS = {"float32", "bfloat16", "float16"}


@dataclass(frozen=True)
class Terms:
    """What both ends of an open stream agreed on; see `Open` and `Opened`.

    `dtype` is the server's own. Stateless streams carry it in both directions; the hidden states of a session may come
    from a server that computes in another one.
    """

    kind: str
    batch: int
    max_length: int
    width: int
    dtype: str
    max_step_tokens: int

    @property
    def max_body_bytes(self) -> int:
        """The largest body of a correct frame: two hidden states in float32, positions, mask and beams; or pages."""
        tokens = self.max_step_tokens
        return max(MAX_PAGES_BYTES, tokens * self.width * 8 + tokens * 8 + self.batch * (self.max_length + 8))


def check_opening(message: Request) -> None:
    if not isinstance(message, Open | Join):
        raise BrokenFrameError("The first message of a stream must open it")
    if isinstance(message, Join):
        return
    if not message.start < message.end:
        raise BrokenFrameError("An opening asks for no layers")
    if (message.session is None) != (message.kind == "stateless"):
        raise BrokenFrameError("A session has an id, and nothing else has")


def check_opened(message: Reply) -> None:
    if not isinstance(message, Opened | Failure):
        raise BrokenFrameError("The answer to an opening must agree or fail")


def check_request(message: Request, terms: Terms) -> None:
    """Requests of an open stream: the right kind, and tensors that fit each other and the terms."""
    if isinstance(message, Step) and terms.kind == "session":
        _check_step(message, terms)
    elif isinstance(message, Resend) and terms.kind == "session":
        if message.end > terms.max_length:
            raise BrokenFrameError("More is to be sent again than the length that was agreed")
    elif isinstance(message, Pages) and terms.kind == "session":
        _check_pages(message, terms)
    elif isinstance(message, Ping) or (isinstance(message, Reach | HandOver | Release) and terms.kind == "session"):
        return
    elif isinstance(message, Forward) and terms.kind == "stateless":
        _check_inputs(message.tensors, 0, terms, {"hidden", "position_ids", "attention_mask"})
    elif isinstance(message, Backward) and terms.kind == "stateless":
        _check_inputs(message.tensors, 0, terms, {"hidden", "position_ids", "attention_mask", "grad"})
        hidden, grad = _one(message.tensors, "hidden"), _one(message.tensors, "grad")
        if grad.shape != hidden.shape or grad.dtype != hidden.dtype:
            raise BrokenFrameError("A gradient does not have the shape of its hidden states")
    else:
        raise BrokenFrameError(f"A {type(message).__name__} does not belong in a {terms.kind} stream")


def check_result(message: Reply, name: str, shape: tuple[int, ...], terms: Terms) -> None:
    """Answers to a stateless request: a sign of life, a failure, or one tensor as expected."""
    if isinstance(message, Failure | Pong):
        return
    if not isinstance(message, Result):
        raise BrokenFrameError("A request was answered by something that is no result")
    if message.tensors != (TensorHeader(name, terms.dtype, shape),):  # type: ignore[arg-type]
        raise BrokenFrameError("A result does not have the shape and dtype that were agreed")


def check_session_reply(message: Reply, terms: Terms) -> None:
    """What a session's client hears between `Opened` and the end; order and counts are the chain's to check."""
    if isinstance(message, Failure | Queued | Notice | Pong | Leaving | Filled | Reached):
        return
    if not isinstance(message, Result):
        raise BrokenFrameError("A step was answered by something that is no result")
    for header in message.tensors:
        if header.name not in ("hidden", "scale"):
            raise BrokenFrameError(f"A tensor {header.name} does not belong in a result")
    batch, kept = _check_hidden(message.tensors, terms)
    if not 1 <= batch <= terms.batch or not kept <= message.tokens or batch * message.tokens > terms.max_step_tokens:
        raise BrokenFrameError("A result has more tokens than were asked for")


def _check_step(message: Step, terms: Terms) -> None:
    batch, tokens = _check_inputs(
        message.tensors, message.position, terms, {"hidden", "scale", "position_ids", "attention_mask", "beam_idx"}
    )
    if message.position + tokens > terms.max_length:
        raise BrokenFrameError("A step goes beyond the length that was agreed")
    for header in message.tensors:
        if header.name == "beam_idx" and (header.shape != (batch,) or header.dtype != "int64"):
            raise BrokenFrameError("The beam order does not have one entry for each sequence")


def _check_pages(message: Pages, terms: Terms) -> None:
    """Shapes of heads are the span's to check; here, what memory is taken for."""
    keys, values = _one(message.tensors, "keys"), _one(message.tensors, "values")
    if len(message.tensors) != 2 or len(keys.shape) != 4 or len(values.shape) != 4:
        raise BrokenFrameError("Pages hold keys and values of one layer")
    if keys.dtype not in _FLOATS or values.dtype != keys.dtype or keys.shape[:3:2] != values.shape[:3:2]:
        raise BrokenFrameError("Keys and values of a page do not fit each other")
    rows, tokens = keys.shape[0], keys.shape[2]
    if not 1 <= rows <= terms.batch or tokens < 1 or not message.first <= message.position:
        raise BrokenFrameError("Pages have other sequences or tokens than were agreed")
    if not message.position + tokens <= message.end <= terms.max_length:
        raise BrokenFrameError("Pages go beyond the length that was agreed")
    if keys.nbytes + values.nbytes > MAX_PAGES_BYTES:
        raise BrokenFrameError("A page is larger than one message may be")


def _check_inputs(headers: tuple[TensorHeader, ...], position: int, terms: Terms, allowed: set[str]) -> tuple[int, int]:
    batch, tokens = _check_hidden(headers, terms)
    if not 1 <= batch <= terms.batch or tokens < 1 or batch * tokens > terms.max_step_tokens:
        raise BrokenFrameError("A step has more tokens or sequences than were agreed")
    for header in headers:
        if header.name not in allowed:
            raise BrokenFrameError(f"A tensor {header.name} does not belong here")
        if header.name == "position_ids" and (header.shape != (batch, tokens) or header.dtype != "int64"):
            raise BrokenFrameError("Position ids do not match the hidden states")
        if header.name == "attention_mask" and (header.shape != (batch, position + tokens) or header.dtype != "bool"):
            raise BrokenFrameError("An attention mask does not match the tokens so far")
    return batch, tokens


def _check_hidden(headers: tuple[TensorHeader, ...], terms: Terms) -> tuple[int, int]:
    """How many sequences and tokens: hidden states of the model's width, with scales if and only if they are int8."""
    hidden = _one(headers, "hidden")
    if len(hidden.shape) != 3 or hidden.shape[2] != terms.width:
        raise BrokenFrameError("Hidden states do not have the model's width")
    batch, tokens, _width = hidden.shape
    if terms.kind == "session":
        scales = [header for header in headers if header.name == "scale"]
        if hidden.dtype == "int8" and scales == [TensorHeader("scale", "float32", (batch, tokens))]:
            return batch, tokens
        if hidden.dtype in _FLOATS and not scales:
            return batch, tokens
    elif hidden.dtype == terms.dtype:
        return batch, tokens
    raise BrokenFrameError("Hidden states do not have a dtype that was agreed")


def _one(headers: tuple[TensorHeader, ...], name: str) -> TensorHeader:
    for header in headers:
        if header.name == name:
            return header
    raise BrokenFrameError(f"The tensor {name} is missing")
