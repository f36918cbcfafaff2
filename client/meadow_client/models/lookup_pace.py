"""How many tokens to guess next, from how earlier guesses went. Pure.

A right guess saves a trip through the swarm; a wrong one costs servers a little computation. So guesses grow while they
are right and shrink when they are wrong, and a text that cannot be guessed is left alone for longer and longer.
"""

from __future__ import annotations

_FIRST = 3  # tokens of the first guess
_MISSES = 2  # guesses in a row that may be wrong from their first token on
_FIRST_PAUSE = 4  # steps without guesses after that
_LONGEST_PAUSE = 32  # with a guess of one token after it: 3 % more to compute at most


class LookupPace:
    """Ask `next` once before each step and tell `learn` what became of the guess."""

    def __init__(self, most: int) -> None:
        """`most` bounds the tokens of a guess; at least 1."""
        self._most = most
        self._size = min(_FIRST, most)
        self._misses = 0
        self._pause = _FIRST_PAUSE
        self._steps_left = 0

    @property
    def least_match(self) -> int:
        """How many tokens must have occurred before, in the same order, for a guess to be worth it now."""
        return 2 if self._misses == 0 else 3

    def next(self) -> int:
        """How many tokens to guess at most; 0 during a pause."""
        if self._steps_left > 0:
            self._steps_left -= 1
            return 0
        return self._size

    def learn(self, guessed: int, right: int) -> None:
        """The first `right` of `guessed` tokens were right. A step without a guess teaches nothing."""
        if guessed == 0:
            return
        if right == 0:
            self._miss()
            return
        self._misses = 0
        self._pause = max(_FIRST_PAUSE, self._pause // 2)
        if right == guessed:
            self._size = min(self._most, max(self._size, 2 * guessed))
        elif 2 * right < guessed:
            self._size = min(self._size, right + 1)

    def _miss(self) -> None:
        self._misses += 1
        self._size = max(1, self._size // 2)
        if self._misses >= _MISSES:
            self._size = 1
            self._steps_left = self._pause
            self._pause = min(2 * self._pause, _LONGEST_PAUSE)
