"""Finding words in what was said: folding, and the piece of text around a hit. Pure.

Folded text has no capitals and no accents, so that "cafe" finds "Café". Words are found inside of others as well,
which also serves languages that write no spaces.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

_BEFORE, _LENGTH = 30, 120
MOST_WORDS = 8


@dataclass(frozen=True)
class SearchHit:
    """A message, or a title (`message_id` is empty), that holds all the words.

    `snippet` is one line; `marks` are the ranges [start, end) in it to be shown as found.
    """

    conversation_id: str
    title: str
    message_id: str
    snippet: str
    marks: tuple[tuple[int, int], ...]


def fold(text: str) -> str:
    """The text without capitals and accents."""
    if text.isascii():
        return text.lower()
    parts = unicodedata.normalize("NFKD", text).casefold()
    return "".join(part for part in parts if not unicodedata.combining(part))


def query_words(query: str) -> list[str]:
    """The folded words that all have to be there; more than eight are not looked for."""
    return list(dict.fromkeys(fold(query).split()))[:MOST_WORDS]


def cut_snippet(text: str, words: list[str]) -> tuple[str, tuple[tuple[int, int], ...]]:
    """One line around the first of the words, and where in it words are."""
    folded = fold(text)
    first = min((place for word in words if (place := folded.find(word)) >= 0), default=0)
    # An accent or a ligature makes the folded text longer or shorter: look a little around the same share of it.
    about = first if len(folded) == len(text) else _unfolded_place(text, first)
    start = max(0, about - _BEFORE)
    if start > 0 and (space := text.find(" ", start, about)) >= 0:
        start = space + 1
    line = " ".join(text[start : start + _LENGTH].split())
    snippet = ("…" if start > 0 else "") + line + ("…" if start + _LENGTH < len(text) else "")
    return snippet, _find_marks(snippet, words)


def _unfolded_place(text: str, folded_place: int) -> int:
    length = 0
    for place, character in enumerate(text):
        if length >= folded_place:
            return place
        length += len(fold(character))
    return len(text)


def _find_marks(snippet: str, words: list[str]) -> tuple[tuple[int, int], ...]:
    folded, origins = "", []
    for place, character in enumerate(snippet):
        parts = fold(character)
        folded += parts
        origins += [place] * len(parts)
    found = set()
    for word in words:
        place = folded.find(word)
        while place >= 0:
            found.add((origins[place], origins[place + len(word) - 1] + 1))
            place = folded.find(word, place + len(word))
    return _merged(sorted(found))


def _merged(ranges: list[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    merged: list[tuple[int, int]] = []
    for start, end in ranges:
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return tuple(merged)
