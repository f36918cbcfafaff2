"""Looks after servers that owe an answer: who is silent is asked for a sign of life, and who gives none is given up.

One that computes for long, or is in the middle of a long message, still answers. Runs on the event loop, and takes its
clock.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

LOOK_S = 0.25
"""How long a server may be silent before it is asked whether it is alive."""
_LEAST_PAUSE_S = 0.01


class Watched(Protocol):
    """A server, at the client's end.

    `heard_s` is when it was last heard of, `pinged_s` since when a sign of life has been waited for.
    """

    heard_s: float
    pinged_s: float | None

    def ping(self) -> None: ...

    def give_up(self, why: str, /) -> None: ...


class Watch:
    """`silence_s` bounds the wait for a sign of life, `request_timeout_s` that for `last`'s answer.

    Who is given up is told so (`Watched.give_up`); whoever waits for it hears it from there.
    """

    def __init__(self, watched: Sequence[Watched], last: Watched, request_timeout_s: float, silence_s: float) -> None:
        self._watched, self._last = watched, last
        self._request_timeout_s, self._silence_s = request_timeout_s, silence_s
        self._pause_s = max(_LEAST_PAUSE_S, min(LOOK_S, silence_s / 2, request_timeout_s / 4))
        self._deadline_s = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """An answer is owed from now on, until `stop`."""
        self.be_patient()
        self._look_later()

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def be_patient(self, longer_s: float = 0.0) -> None:
        """There was progress: wait for the next as long as from the start, and `longer_s` beyond that."""
        self._deadline_s = max(self._deadline_s, _now() + self._request_timeout_s + longer_s)

    def _look_later(self) -> None:
        due_s = _now() + self._pause_s

        def look() -> None:
            # A loop that was held up itself has heard nobody meanwhile.
            self._look(_now(), was_held_up=_now() - due_s > self._pause_s)
            self._look_later()

        self._timer = asyncio.get_running_loop().call_at(due_s, look)

    def _look(self, now_s: float, *, was_held_up: bool) -> None:
        if was_held_up:
            self.be_patient()
        for server in self._watched:
            if was_held_up or (server.pinged_s is None and now_s - server.heard_s > LOOK_S):
                server.ping()
            elif server.pinged_s is not None and now_s - server.pinged_s > self._silence_s:
                server.give_up("is silent")
        if now_s > self._deadline_s:
            self._last.give_up(f"did not answer within {self._request_timeout_s:.0f} s")


def _now() -> float:
    return asyncio.get_running_loop().time()
