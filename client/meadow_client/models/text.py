"""Text out of a stream of tokens: decoding piece by piece, and ending at stop strings. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class PieceDecoder:
    """Decodes tokens as they come; gives text only once no later token can change it."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._ids: list[int] = []
        self._given = 0  # ids whose text was given
        self._context = 0  # where decoding begins, a few ids earlier, because spaces depend on neighbours

    def push(self, token: int) -> str:
        """The text that has become certain with this token; may be empty."""
        self._ids.append(token)
        return self._take(is_end=False)

    def finish(self) -> str:
        """What is left, also if it ends in the middle of a character."""
        return self._take(is_end=True)

    def _take(self, *, is_end: bool) -> str:
        before = self._decode(self._ids[self._context : self._given])
        after = self._decode(self._ids[self._context :])
        if len(after) <= len(before) or (after.endswith("\N{REPLACEMENT CHARACTER}") and not is_end):
            return ""
        self._context, self._given = self._given, len(self._ids)
        return after[len(before) :]

    def _decode(self, ids: list[int]) -> str:
        return str(self._tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False))


class StopStrings:
    """Cuts a stream of text before the first of some stop strings."""

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = [stop for stop in stops if stop]
        self._held = ""
        self.is_met = False

    def push(self, text: str) -> str:
        """The part of what was pushed so far that can be shown; the start of a possible stop string is held back."""
        if self.is_met:
            return ""
        self._held += text
        found = [place for stop in self._stops if (place := self._held.find(stop)) >= 0]
        if found:
            self.is_met = True
            shown, self._held = self._held[: min(found)], ""
            return shown
        keep = max((_overlap(self._held, stop) for stop in self._stops), default=0)
        shown = self._held[: len(self._held) - keep]
        self._held = self._held[len(shown) :]
        return shown

    def finish(self) -> str:
        """What was held back and turned out to be no stop string."""
        held, self._held = self._held, ""
        return held


def _overlap(text: str, stop: str) -> int:
    """How many characters at the end of `text` are the beginning of `stop`."""
    for length in range(min(len(text), len(stop) - 1), 0, -1):
        if text.endswith(stop[:length]):
            return length
    return 0
