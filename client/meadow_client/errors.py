"""Expected failures: each has a code for machines, a sentence and advice for people.

Raised where the cause is known, shown in one place of each program. Strangers on the network get the code only.
"""

from __future__ import annotations

from collections.abc import Sequence


class MeadowError(Exception):
    """Base of every failure that Meadow expects. `str(error)` is one sentence without a full stop."""

    code = "failed"
    advice = ""

    def __init__(self, message: str, advice: str | None = None) -> None:
        super().__init__(message)
        if advice is not None:
            self.advice = advice


class UsageError(MeadowError):
    """The person asked for something that cannot be meant; exit code 2."""

    code = "usage"


class ModelNotFoundError(MeadowError):
    code = "model-not-found"
    advice = "Give a folder that holds a model in Hugging Face's format, or the name of a model on huggingface.co."


class ModelUnusableError(MeadowError):
    code = "model-unusable"
    advice = "Choose a text generation model whose architecture the installed transformers package knows."


class WeightsUnreadableError(ModelUnusableError):
    """Files of a model are there, and are no weights that could be loaded."""

    code = "weights-unreadable"
    advice = "A file of the model may be damaged or incomplete: delete its files, and fetch it again."

    def __init__(self, name: str) -> None:
        super().__init__(f"The weights of {name} cannot be read")


class LayersOutOfRangeError(UsageError):
    code = "layers-out-of-range"

    def __init__(self, start: int, end: int, num_layers: int) -> None:
        super().__init__(
            f"Layers {start}:{end} cannot be hosted: the model has {num_layers} layers",
            f"Give --layers A:B with 0 <= A < B <= {num_layers}; B itself is not included.",
        )


class BadAddressError(UsageError):
    code = "bad-address"
    advice = (
        "Give an address such as /ip4/192.0.2.7/tcp/31337/p2p/12D3… or a meadow:// invitation,"
        " as `meadow serve` and `meadow bootstrap` print it."
    )


class SwarmUnreachableError(MeadowError):
    code = "swarm-unreachable"
    advice = "Check that the computer at this address runs Meadow and that your network lets you reach it."

    def __init__(self, addresses: Sequence[str]) -> None:
        more = len(addresses) - 1
        others = f" (or {more} {'other' if more == 1 else 'others'})" if more else ""
        super().__init__(f"Nobody answers at {addresses[0]}{others}")


class PortTakenError(MeadowError):
    code = "port-taken"
    advice = "Choose another port, or 0 to let the system choose one."

    def __init__(self, address: str) -> None:
        super().__init__(f"Cannot listen on {address}: another program uses this port")


class LayersMissingError(MeadowError):
    """No server holds some layers; `missing` are half-open ranges."""

    code = "layers-missing"
    advice = "Start an engine that hosts these layers (meadow serve), or try again when more computers are on."

    def __init__(self, model: str, missing: Sequence[tuple[int, int]], waited_s: float = 0.0) -> None:
        after = f" after waiting {waited_s:.0f} s" if waited_s >= 1 else ""
        super().__init__(f"No computer in the swarm holds {describe_layers(missing)} of {model}{after}")
        self.missing = list(missing)


class ServerLostError(MeadowError):
    """The server at the other end of a stream died, left or fell silent."""

    code = "server-lost"
    advice = "Ask again: the swarm finds another way as soon as these layers are there once more."

    def __init__(self, peer: str, start: int, end: int, why: str = "stopped answering") -> None:
        super().__init__(f"The computer {peer[-8:]} with {describe_layers([(start, end)])} {why}")
        self.peer = peer
        self.span = (start, end)


class ServerRefusedError(MeadowError):
    """A server answered with an error code instead of a result."""

    code = "server-refused"
    advice = "Try again in a moment; another computer may take over."

    def __init__(self, peer: str, start: int, end: int, reason: str) -> None:
        super().__init__(f"The computer {peer[-8:]} with {describe_layers([(start, end)])} refused: {reason}")
        self.peer = peer
        self.span = (start, end)
        self.reason = reason


class BrokenFrameError(MeadowError):
    """A peer sent something that is not a frame of ours, or one larger than agreed."""

    code = "broken-frame"


class ContextExceededError(MeadowError):
    code = "context-length-exceeded"
    advice = "Shorten the conversation or ask for fewer new tokens."

    def __init__(self, tokens: int, limit: int) -> None:
        super().__init__(f"The text has {tokens} tokens, but only {limit} fit")
        self.tokens = tokens
        self.limit = limit


class SessionClosedError(MeadowError):
    code = "session-closed"
    advice = "Open a new session with model.inference_session()."


def describe_layers(ranges: Sequence[tuple[int, int]]) -> str:
    """Half-open ranges in words: [(3, 6)] is "layers 3–5", [(3, 4), (7, 9)] is "layers 3 and 7–8"."""
    words = [str(start) if end - start == 1 else f"{start}–{end - 1}" for start, end in ranges]
    listed = words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1]
    is_single = len(ranges) == 1 and ranges[0][1] - ranges[0][0] == 1
    return f"layer {listed}" if is_single else f"layers {listed}"
