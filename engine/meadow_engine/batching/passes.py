"""Which waiting steps go into the next pass over the weights.

Reading the weights costs the same for one token as for a few, so a pass takes the steps of as many sessions as wait.
Short steps (the next token of a chat) all go first. What is left of the pass's budget goes to prompts, cut to fit; the
budget is smaller while chats are about, so that a long prompt slows them by a bounded factor only.

Order: by priority class (0 is the most urgent), then those that were served least, then by arrival.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

SHORT_STEP_TOKENS = 16
MOST_SHORT_TOKENS = 256
MOST_TOKENS = 1024
FEWEST_PROMPT_TOKENS = 8
_FIRST_GUESS_TOKENS = 32
_MEMORY = 0.2


@dataclass(frozen=True)
class Candidate:
    """The oldest waiting step of one session: `rows` sequences of `tokens` tokens each.

    Sessions of the same `group` use the same layers and may share a pass if `can_pack`. `served_tokens` is what the
    session was given lately, `arrived_s` when the step came, on any clock; `is_short` if it is the next step of a chat
    and not a prompt or a part of one.
    """

    session: Hashable
    group: Hashable
    rows: int
    tokens: int
    can_pack: bool
    priority: int = 1
    served_tokens: float = 0.0
    arrived_s: float = 0.0
    is_short: bool = True

    @property
    def urgency(self) -> tuple[int, float, float]:
        return self.priority, self.served_tokens, self.arrived_s


@dataclass(frozen=True)
class Share:
    """How many of a session's waiting tokens (of every row) are computed in a pass."""

    session: Hashable
    tokens: int


def plan_pass(candidates: Sequence[Candidate], prompt_tokens: int) -> list[Share]:
    """The next pass: at least one share if anything waits.

    `prompt_tokens` is how many tokens of long steps (rows x tokens) a pass may carry now.
    """
    if not candidates:
        return []
    ordered = sorted(candidates, key=lambda candidate: (not candidate.is_short, candidate.urgency))
    first = _most_urgent(ordered)
    if not first.can_pack:
        return [Share(first.session, _fitting(first, first.rows * first.tokens if first.is_short else prompt_tokens))]
    # Wider than any budget: it would never fit, so it goes when it is its turn.
    wide = first if first.rows > prompt_tokens else None
    shares: list[Share] = []
    short_room, long_room = MOST_SHORT_TOKENS, max(prompt_tokens, 1)
    for candidate in ordered:
        if candidate.group != first.group or not candidate.can_pack:
            continue
        size = candidate.rows * candidate.tokens
        if candidate.is_short:
            if size <= short_room:
                shares.append(Share(candidate.session, candidate.tokens))
                short_room -= size
        elif long_room >= candidate.rows or candidate is wide or (wide is None and not shares):
            tokens = _fitting(candidate, long_room)
            shares.append(Share(candidate.session, tokens))
            long_room -= tokens * candidate.rows
    return shares


def _most_urgent(ordered: Sequence[Candidate]) -> Candidate:
    """The group of the oldest step goes first among equals, so that no group and no unpackable session starves.

    Short or long: a long step that was passed over once is older than the short ones that came since.
    """
    same = [candidate for candidate in ordered if candidate.priority <= ordered[0].priority]
    return min(same, key=lambda candidate: candidate.arrived_s)


def _fitting(candidate: Candidate, room: int) -> int:
    return max(1, min(candidate.tokens, room // candidate.rows))


class PassCosts:
    """Learns what passes cost on this device: a fixed part, and a part for each token beyond a few.

    The fixed part is followed from passes of short steps alone, the rest from passes with prompts; both as
    exponentially weighted means.
    """

    def __init__(self) -> None:
        self.short_s = 0.0
        self.token_s = 0.0

    def observe(self, short_tokens: int, prompt_tokens: int, seconds: float) -> None:
        """A pass took so long, with so many tokens (over all rows) of short steps and of prompts."""
        if prompt_tokens == 0:
            self.short_s = follow(self.short_s, seconds)
        elif seconds > self.short_s:
            self.token_s = follow(self.token_s, (seconds - self.short_s) / prompt_tokens)

    def prompt_tokens(self, chats_are_about: bool, slowdown: float = 1.5) -> int:
        """How many tokens of prompts a pass may carry, so that it takes at most `slowdown` times one without any."""
        if not chats_are_about:
            return MOST_TOKENS
        if self.token_s <= 0 or self.short_s <= 0:
            return _FIRST_GUESS_TOKENS
        return max(FEWEST_PROMPT_TOKENS, self.tokens_within(self.short_s * slowdown))

    def tokens_within(self, seconds: float) -> int:
        """How many tokens of prompts fit in a pass of so many seconds; 0 if none do."""
        if self.token_s <= 0:
            return _FIRST_GUESS_TOKENS
        return max(0, min(MOST_TOKENS, int((seconds - self.short_s) / self.token_s)))


def follow(mean: float, value: float) -> float:
    return value if mean == 0 else mean + _MEMORY * (value - mean)
