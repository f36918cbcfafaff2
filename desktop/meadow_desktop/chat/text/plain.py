"""Markdown as it reads without its marks: for one line of it, where nothing is drawn. Pure."""

from __future__ import annotations

import re

from meadow_desktop.chat.text.segments import Code, cut

_AT_BEGINNING = re.compile(r"^[ \t]*(?:(?:#{1,6}[ \t]+)|(?:>[ \t]?))+", re.MULTILINE)
_INLINE = re.compile(
    r"(?P<ticks>`+)(?P<code>.+?)(?P=ticks)"
    r"|(?P<stars>\*{1,3}|~~)(?=\S)(?P<strong>.+?)(?<=\S)(?P=stars)"
    r"|(?<!\w)(?P<lines>_{1,3})(?=\S)(?P<slanted>.+?)(?<=\S)(?P=lines)(?!\w)"
    r"|!?\[(?P<link>[^\[\]\n]*)\]\([^()\s]*\)"
)
_DEEPEST = 4


def without_marks(markdown: str) -> str:
    """The words: no stars, no ticks, no addresses of links. Code stays as it is written."""
    segments = cut(markdown)
    return "\n".join(each.text if isinstance(each, Code) else _read(each.text) for each in segments)


def _read(prose: str, depth: int = 0) -> str:
    if depth == 0:
        prose = _AT_BEGINNING.sub("", prose)
    return _INLINE.sub(lambda found: _inside(found, depth + 1), prose)


def _inside(found: re.Match[str], depth: int) -> str:
    if (code := found["code"]) is not None:
        return code.strip()
    words = found["strong"] or found["slanted"] or found["link"] or ""
    return words if depth >= _DEEPEST else _read(words, depth)
