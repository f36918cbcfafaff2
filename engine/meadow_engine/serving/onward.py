"""What a server says after a step, or a part of one: a result to the client, or a step to the next server.

Shapes: B sequences, T tokens of the step, D model width; see `meadow_client/wire/messages.py`.
"""

from __future__ import annotations

from meadow_client.session.codec import pack
from meadow_client.session.tensors import to_wire
from meadow_client.wire.frames import Buffer
from meadow_client.wire.messages import Result, Step, Timing
from meadow_engine.runtime.batcher import Output
from meadow_engine.runtime.requests import Tensors


def handed_on(step: Step, tensors: Tensors, output: Output) -> Tensors:
    """What goes along with tokens of the output to the next server: packed hidden states and the rest of the step."""
    first, done = output.position - step.position, output.hidden.shape[1]
    rest: dict = {}
    for name, tensor in tensors.items():
        if name == "position_ids":
            rest[name] = tensor[:, first : first + done]
        elif name == "attention_mask":
            rest[name] = tensor[:, : output.position + done]
        elif name == "beam_idx" and first == 0:
            rest[name] = tensor
    return {**pack(output.hidden, step.codec), **rest}


def onward_step(step: Step, tensors: Tensors, output: Output, receive_s: float) -> tuple[Step, list[Buffer]]:
    """The step for the next server; `tensors` are those of `handed_on`."""
    headers, bodies = to_wire(tensors)
    is_part = step.is_part or output.hidden.shape[1] < _tokens(step)
    timings = _timings(step, receive_s, output)
    onward = Step(
        output.position,
        headers,
        step.route[1:],
        step.keep_from,
        is_part,
        step.codec,
        timings,
        step.epoch,
        step.order,
    )
    return onward, bodies


def result_of(step: Step, output: Output, receive_s: float) -> tuple[Result, list[Buffer]]:
    """The answer to the client, with what it wants of the output."""
    done = output.hidden.shape[1]
    kept = min(done, max(0, output.position + done - step.keep_from))
    headers, bodies = to_wire(pack(output.hidden[:, done - kept :], step.codec))
    return Result(headers, _timings(step, receive_s, output), output.position, done, step.epoch), bodies


def _tokens(step: Step) -> int:
    return next(header for header in step.tensors if header.name == "hidden").shape[1]


def _timings(step: Step, receive_s: float, output: Output) -> tuple[Timing, ...]:
    """What servers spent on a step until now. What is true of all its parts is said with the first one only."""
    if output.position == step.position:
        return (*step.timings, Timing(output.queue_s, output.compute_s, receive_s))
    return (*(Timing(0.0, 0.0) for _before in step.timings), Timing(output.queue_s, output.compute_s))
