"""Choose the codec of every next step: int8 while a link, and no server, is the bottleneck of a chain.

The pieces of a prompt travel one behind the other through links and servers, and the slowest of them sets the pace. So
hidden states are worth making smaller when they need longer on the slowest link, raw, than the slowest server computes;
otherwise the exact ones cost nothing. What is not known yet speaks for raw.

A chain of N servers has N + 1 links: to the first server, between servers, and from the last one back to the client.

- **Links.** The receiver says how long a step's body took to come. Small bodies say more about latency than about
  speed, so only those of `MEASURED_BYTES` or more count. Bytes and seconds are added up, and each new body makes the
  older ones count less.
- **Servers.** Only the latest step of like size counts. Below `LONG_STEP_TOKENS` a server's time goes into reading its
  weights, and a step takes as long whether it brings one token or ten; from there on, seconds are compared per token.
- **No flapping.** For each of the two sizes, int8 ends only when raw would need less than half the computing time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from meadow_client.wire.messages import DTYPE_BYTES, Codec, Timing

CodecSetting = Literal["raw", "int8", "auto"]

MEASURED_BYTES = 64 * 1024
LONG_STEP_TOKENS = 32
_OLDER_COUNT = 0.7
_BACK_TO_RAW = 0.5
_SCALE_BYTES = 4


@dataclass
class Passage:
    """One step's way through the chain: what each server computed, and in which time each link carried how much.

    `tokens` counts those of all sequences together; `link_bytes` are what the hidden states need on every link.
    """

    tokens: int
    link_bytes: Sequence[int]
    compute_s: list[float] = field(init=False)
    receive_s: list[float] = field(init=False)

    def __post_init__(self) -> None:
        self.receive_s = [0.0] * len(self.link_bytes)
        self.compute_s = self.receive_s[1:]

    def add(self, timings: Sequence[Timing], receive_s: float) -> None:
        """The answer, or a part of it: what the servers say, and how long it took to come here."""
        self.receive_s[-1] += receive_s
        for index, timing in enumerate(timings[: len(self.compute_s)]):
            self.compute_s[index] += timing.compute_s
            self.receive_s[index] += timing.receive_s


@dataclass
class _Link:
    """Bytes that came, and the seconds they took; older ones count less."""

    received_bytes: float = 0.0
    seconds: float = 0.0

    def observe(self, body_bytes: int, seconds: float) -> None:
        if body_bytes >= MEASURED_BYTES and math.isfinite(seconds) and seconds >= 0:
            self.received_bytes = self.received_bytes * _OLDER_COUNT + body_bytes
            self.seconds = self.seconds * _OLDER_COUNT + seconds

    def transfer_s(self, body_bytes: int) -> float:
        """How long such a body will take; 0 for a link that nobody measured."""
        return body_bytes * self.seconds / self.received_bytes if self.received_bytes else 0.0


@dataclass
class CodecChoice:
    """What a chain's links and servers showed in the steps that are done, and what follows for the next one."""

    _links: dict[int, _Link] = field(default_factory=dict)
    _compute_s: dict[bool, float] = field(default_factory=dict)
    _chosen: dict[bool, Codec] = field(default_factory=dict)

    def observe(self, passage: Passage) -> None:
        """A step is done. What servers say of it may be anything."""
        for index, (body_bytes, seconds) in enumerate(zip(passage.link_bytes, passage.receive_s, strict=True)):
            self._links.setdefault(index, _Link()).observe(body_bytes, seconds)
        slowest_s = max(passage.compute_s)
        if 0 < slowest_s < math.inf:
            self._compute_s[_is_long(passage.tokens)] = slowest_s / _share(passage.tokens)

    def choose(self, tokens: int, raw_link_bytes: Sequence[int]) -> Codec:
        """The codec for a step of `tokens` that would need `raw_link_bytes` on the links if it travelled raw."""
        is_long = _is_long(tokens)
        if is_long not in self._compute_s:
            return "raw"
        compute_s = self._compute_s[is_long] * _share(tokens)
        transfer_s = max(self._links[index].transfer_s(needed) for index, needed in enumerate(raw_link_bytes))
        bearable_s = compute_s * (_BACK_TO_RAW if self._chosen.get(is_long) == "int8" else 1.0)
        self._chosen[is_long] = "int8" if transfer_s > bearable_s else "raw"
        return self._chosen[is_long]


def body_bytes(tokens: int, width: int, dtype: str, codec: Codec) -> int:
    """What the hidden states of so many tokens need: see `session/codec.py`."""
    return tokens * (width + _SCALE_BYTES if codec == "int8" else width * DTYPE_BYTES[dtype])


def _is_long(tokens: int) -> bool:
    return tokens >= LONG_STEP_TOKENS


def _share(tokens: int) -> int:
    """What seconds of computing are divided by before they are compared: nothing for short steps."""
    return tokens if _is_long(tokens) else 1
