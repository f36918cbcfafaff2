"""Cuts an answer's markdown into prose and fenced code, so that each is drawn by a widget of its own. Pure.

Only fences that begin at the margin (at most three spaces in) are cut out; code inside list items stays prose,
which Qt draws well enough. While an answer is being written its last fence is open: then the rest is code.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_OPENING = re.compile(r"^ {0,3}(?P<fence>`{3,}|~{3,})[ \t]*(?P<info>.*)$")


@dataclass(frozen=True)
class Prose:
    """Markdown without fenced code."""

    text: str


@dataclass(frozen=True)
class Code:
    """The inside of a fence, and the language it named (may be empty)."""

    language: str
    text: str


Segment = Prose | Code


def cut(markdown: str) -> list[Segment]:
    """The segments in order; prose of nothing but blank lines is left out."""
    segments: list[Segment] = []
    lines: list[str] = []
    fence, language = "", ""
    for line in markdown.split("\n"):
        if fence:
            if _closes(line, fence):
                segments.append(Code(language, "\n".join(lines)))
                fence, lines = "", []
            else:
                lines.append(line)
            continue
        opening = _OPENING.match(line)
        if opening is not None and not (opening["fence"][0] == "`" and "`" in opening["info"]):
            _add_prose(segments, lines)
            words = opening["info"].split()
            fence, language, lines = opening["fence"], words[0] if words else "", []
        else:
            lines.append(line)
    if fence:
        segments.append(Code(language, "\n".join(lines)))
    else:
        _add_prose(segments, lines)
    return segments


def _closes(line: str, fence: str) -> bool:
    stripped = line.strip()
    return len(stripped) >= len(fence) and set(stripped) == {fence[0]} and len(line) - len(line.lstrip(" ")) <= 3


def _add_prose(segments: list[Segment], lines: list[str]) -> None:
    text = "\n".join(lines).strip("\n")
    if text.strip():
        segments.append(Prose(text))
