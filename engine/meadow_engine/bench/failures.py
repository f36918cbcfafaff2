"""Which streams break when, and what that would cost without a cache. Pure: no torch, no clock."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


class FailurePlan:
    """Draws, at every step and for every server, whether its stream breaks; the same for the same seed."""

    def __init__(self, rate: float, seed: int) -> None:
        self._rate = rate
        self._random = random.Random(seed)

    def broken(self, servers: int) -> list[int]:
        """The places in a chain whose streams break at this step."""
        return [place for place in range(servers) if self._random.random() < self._rate]


@dataclass(frozen=True)
class CachelessCost:
    """Measured seconds for a pass over whole texts of some lengths, in tokens; between them on a straight line."""

    seconds: Mapping[int, float]

    def pass_s(self, tokens: int) -> float:
        lengths = sorted(self.seconds)
        below = max((length for length in lengths[:-1] if length <= tokens), default=lengths[0])
        above = next(length for length in lengths if length > below)
        share = (tokens - below) / (above - below)
        return self.seconds[below] + share * (self.seconds[above] - self.seconds[below])

    def tokens_per_second(self, prompt: int, tokens: int, rate: float, servers: int) -> float:
        """If every token takes a pass over the whole text so far, repeated as often as a server fails in it."""
        repeats = 1 / (1 - rate) ** servers
        return tokens / (repeats * sum(self.pass_s(prompt + done) for done in range(tokens)))


def lengths_to_measure(prompt: int, tokens: int) -> Sequence[int]:
    """Few lengths of text from the prompt to the end."""
    return sorted({prompt + share * tokens // 4 for share in range(5)})
