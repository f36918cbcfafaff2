"""When chats come back, and what is worth waiting for until then.

A chat's next step comes when its last one has gone round the chain, so servers can foretell it. Small groups of chats
wait for others to share a pass with, and prompts wait for chats to ride along with.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from meadow_engine.batching.passes import MOST_TOKENS, PassCosts

HOLD_PASSES = 1.5
LONGEST_HOLD_S = 0.1
BUSY_SHARE = 0.3
LATE_S = 0.003
PAUSE_S = 1.0
# A prompt's pass of its own between two steps of chats carries so many tokens, or it is not worth reading the weights.
FEWEST_ALONE_TOKENS = 64
LONGEST_RIDE_S = 0.25
_UTILISATION_S = 1.0


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


def alone_tokens(expected_s: Sequence[float], waited_s: float, costs: PassCosts) -> int:
    """How many tokens of prompts may run in a pass of their own now; 0 is to wait for chats to ride along with.

    `expected_s` says in how many seconds each chat's next step will come. What fits before the first of them may run;
    a prompt that has waited for `LONGEST_RIDE_S` goes on in any case.
    """
    if not expected_s:
        return MOST_TOKENS
    fitting = costs.tokens_within(max(0.0, min(expected_s)))
    if fitting >= FEWEST_ALONE_TOKENS:
        return fitting
    return FEWEST_ALONE_TOKENS if waited_s >= LONGEST_RIDE_S else 0


@dataclass
class Rhythm:
    """When a chat's last two steps came, on any clock."""

    previous_s: float | None = None
    last_s: float | None = None

    def came(self, now_s: float) -> None:
        self.previous_s, self.last_s = self.last_s, now_s

    def next_in(self, now_s: float) -> float:
        """Seconds until the next step, if it comes as fast as the last one did; at once if nothing is known."""
        if self.last_s is None or self.previous_s is None or self.last_s - self.previous_s > PAUSE_S:
            return 0.0
        return 2 * self.last_s - self.previous_s - now_s

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
