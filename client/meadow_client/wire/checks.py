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
    Forward,
    Open,
    Opened,
    Reply,
    Request,
    Result,
    Step,
    TensorHeader,
)


@dataclass(frozen=True)
class Terms:
    """What both ends of an open stream agreed on; see `Open` and `Opened`."""

    kind: str
    batch: int
    max_length: int
    width: int
    dtype: str
    max_step_tokens: int

    @property
    def max_body_bytes(self) -> int:
        """The largest body of a correct frame: two hidden states in float32, positions, mask and beams."""
        tokens = self.max_step_tokens
        return tokens * self.width * 8 + tokens * 8 + self.batch * (self.max_length + 8)


def check_opening(message: Request) -> None:
    if not isinstance(message, Open):
        raise BrokenFrameError("The first message of a stream must open it")
    if not message.start < message.end:
        raise BrokenFrameError("An opening asks for no layers")


def check_opened(message: Reply) -> None:
    if not isinstance(message, Opened | Failure):
        raise BrokenFrameError("The answer to an opening must agree or fail")


def check_request(message: Request, terms: Terms) -> None:
    """Requests of an open stream: the right kind, and tensors that fit each other and the terms."""
    if isinstance(message, Step) and terms.kind == "session":
        _check_step(message, terms)
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
    """Answers to a request: a failure, or exactly one tensor of the expected name, shape and dtype."""
    if isinstance(message, Failure):
        return
    if not isinstance(message, Result):
        raise BrokenFrameError("A request was answered by something that is no result")
    if message.tensors != (TensorHeader(name, terms.dtype, shape),):  # type: ignore[arg-type]
        raise BrokenFrameError("A result does not have the shape and dtype that were agreed")


def _check_step(message: Step, terms: Terms) -> None:
    batch, tokens = _check_inputs(
        message.tensors, message.position, terms, {"hidden", "position_ids", "attention_mask", "beam_idx"}
    )
    if message.position + tokens > terms.max_length:
        raise BrokenFrameError("A step goes beyond the length that was agreed")
    for header in message.tensors:
        if header.name == "beam_idx" and (header.shape != (batch,) or header.dtype != "int64"):
            raise BrokenFrameError("The beam order does not have one entry for each sequence")


def _check_inputs(headers: tuple[TensorHeader, ...], position: int, terms: Terms, allowed: set[str]) -> tuple[int, int]:
    hidden = _one(headers, "hidden")
    if len(hidden.shape) != 3 or hidden.shape[2] != terms.width:
        raise BrokenFrameError("Hidden states do not have the model's width")
    batch, tokens, _width = hidden.shape
    if hidden.dtype != terms.dtype:
        raise BrokenFrameError("Hidden states do not have the dtype that was agreed")
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


def _one(headers: tuple[TensorHeader, ...], name: str) -> TensorHeader:
    for header in headers:
        if header.name == name:
            return header
    raise BrokenFrameError(f"The tensor {name} is missing")
