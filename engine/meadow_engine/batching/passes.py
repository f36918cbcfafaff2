"""Which waiting steps go into the next pass over the weights.

Reading the weights costs the same for one token as for a few, so a pass takes the steps of as many sessions as wait.
Short steps (the next token of a chat) all go first. What is left of the pass's budget goes to prompts, cut to fit; the
budget is smaller while chats are about, so that a long prompt slows them by a bounded factor only.

Order: by priority class (0 is the most urgent), then those that were served least, then by arrival.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

SHORT_STEP_TOKENS = 16
MOST_SHORT_TOKENS = 256
MOST_TOKENS = 1024
FEWEST_PROMPT_TOKENS = 8
HOLD_PASSES = 1.5
LONGEST_HOLD_S = 0.1
BUSY_SHARE = 0.3
LATE_S = 0.003
_FIRST_GUESS_TOKENS = 32
_MEMORY = 0.2
_UTILISATION_S = 1.0
PAUSE_S = 1.0


@dataclass(frozen=True)
class Candidate:
    """The oldest waiting step of one session: `rows` sequences of `tokens` tokens each.

    Sessions of the same `group` use the same layers and may share a pass if `can_pack`. `served_tokens` is what the
    session was given lately, `arrived_s` when the step came, on any clock.
    """

    session: Hashable
    group: Hashable
    rows: int
    tokens: int
    can_pack: bool
    priority: int = 1
    served_tokens: float = 0.0
    arrived_s: float = 0.0

    @property
    def is_short(self) -> bool:
        return self.rows * self.tokens <= SHORT_STEP_TOKENS

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


def hold_s(
    waiting: int, chats: int, waited_s: float, expected_s: Sequence[float], short_s: float, busy: float
) -> float:
    """How much longer to wait, in seconds, for the steps of other chats before the next pass; 0 is to run now.

    `waiting` short steps of all `chats` are here, the oldest for `waited_s`. `expected_s` says in how many seconds the
    next steps of others will come if they keep their rhythm (negative: they are late). `short_s` is what a pass of
    short steps takes, `busy` the share of time that was computed lately.

    Chats that go round a chain of servers in small groups cost a pass for every group. Those that meet stay together,
    as their outputs leave together, so one short wait saves a pass in every round from then on. It ends when half of
    the chats are here: two groups keep two servers busy, where one group would keep one.
    """
    wanted = -(-chats // 2) - waiting
    room = min(HOLD_PASSES * short_s, LONGEST_HOLD_S) - waited_s
    near = sorted(seconds for seconds in expected_s if -short_s / 2 < seconds <= room)
    if wanted <= 0 or room <= 0 or busy < BUSY_SHARE or not near:
        return 0.0
    return min(room, max(0.0, near[min(wanted, len(near)) - 1]) + LATE_S)


def _most_urgent(ordered: Sequence[Candidate]) -> Candidate:
    """The group of the oldest step goes first among equals, so that no group and no unpackable session starves.

    Short or long: a long step that was passed over once is older than the short ones that came since.
    """
    same = [candidate for candidate in ordered if candidate.priority <= ordered[0].priority]
    return min(same, key=lambda candidate: candidate.arrived_s)


def _fitting(candidate: Candidate, room: int) -> int:
    return max(1, min(candidate.tokens, room // candidate.rows))


@dataclass
class Rhythm:
    """When a chat's last two steps came, on any clock."""

    previous_s: float | None = None
    last_s: float | None = None

    def came(self, now_s: float) -> None:
        self.previous_s, self.last_s = self.last_s, now_s

    def is_going(self, now_s: float) -> bool:
        return self.last_s is not None and now_s - self.last_s <= PAUSE_S


def expected_in(other: Rhythm, here: Rhythm, now_s: float) -> float | None:
    """In how many seconds another chat's step will come, if it keeps the distance that it had to this one last time.

    Chats that share a chain speed up and slow down together, so distances foretell better than intervals do. None
    where nothing can be said: one of them has paused, or the other has had its turn in this round already.
    """
    if here.previous_s is None or here.last_s is None or other.last_s is None:
        return None
    if here.last_s - here.previous_s > PAUSE_S or other.last_s >= here.last_s or not other.is_going(now_s):
        return None
    return here.last_s + (other.last_s - here.previous_s) - now_s


class Utilisation:
    """The share of time that passes took lately, over about a second."""

    def __init__(self) -> None:
        self.share = 0.0
        self._ended_s: float | None = None

    def ended(self, now_s: float, pass_s: float) -> None:
        """A pass of so many seconds has ended."""
        since = pass_s if self._ended_s is None else max(pass_s, now_s - self._ended_s)
        self._ended_s = now_s
        if since > 0:
            weight = 1 - math.exp(-since / _UTILISATION_S)
            self.share += weight * (pass_s / since - self.share)


class PassCosts:
    """Learns what passes cost on this device: a fixed part, and a part for each token beyond a few.

    The fixed part is followed from passes of short steps alone, the rest from passes with prompts; both as
    exponentially weighted means.
    """

    def __init__(self) -> None:
        self.short_s = 0.0
        self.token_s = 0.0

    def observe(self, tokens: int, seconds: float) -> None:
        """A pass of `tokens` tokens (over all rows) took so long."""
        if tokens <= SHORT_STEP_TOKENS:
            self.short_s = _follow(self.short_s, seconds)
        elif seconds > self.short_s:
            self.token_s = _follow(self.token_s, (seconds - self.short_s) / tokens)

    def prompt_tokens(self, chats_are_about: bool, slowdown: float = 1.5) -> int:
        """How many tokens of prompts a pass may carry, so that it takes at most `slowdown` times one without any."""
        if not chats_are_about:
            return MOST_TOKENS
        if self.token_s <= 0 or self.short_s <= 0:
            return _FIRST_GUESS_TOKENS
        fitting = int(self.short_s * (slowdown - 1) / self.token_s)
        return max(FEWEST_PROMPT_TOKENS, min(MOST_TOKENS, fitting))


def _follow(mean: float, value: float) -> float:
    return value if mean == 0 else mean + _MEMORY * (value - mean)
