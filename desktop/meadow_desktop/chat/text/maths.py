"""Keeps maths out of markdown's hands: $…$, $$…$$, \\(…\\) and \\[…\\] are shown exactly as they were written. Pure.

Markdown would take underscores for emphasis and eat backslashes. So each formula is exchanged for a mark of private
characters before markdown is read, and put back into what markdown made of the rest, code and tables included.
"""

from __future__ import annotations

import re

_FIRST = 0xF8A0  # private use; nobody assigns these, and a stranger's are replaced before
_OPEN, _CLOSE, _ZERO = chr(_FIRST), chr(_FIRST + 1), _FIRST + 2
_PRIVATE = re.compile(f"[{_OPEN}-{chr(_ZERO + 7)}\ufdd0\ufdd1]")  # the last two begin and end frames inside of Qt

_SPANS = re.compile(
    r"""
      (?P<plain> (?P<ticks>`+) (?!`) .*? (?<!`)(?P=ticks)(?!`)      # code
               | \]\( [^()\s]* \)                                   # where a link leads
               | https?://\S+ )
    | (?P<maths> \$\$ (?:(?!\n[ \t]*\n).)+? \$\$
               | \\\( (?:(?!\n[ \t]*\n).)+? \\\)
               | \\\[ (?:(?!\n[ \t]*\n).)+? \\\]
               | \$ (?![\s$]) (?:(?!\n[ \t]*\n)[^$])+? (?<![\s\\]) \$ (?!\d) )
    | \\.                                                           # an escaped character begins nothing
    """,
    re.VERBOSE | re.DOTALL,
)


def hide_maths(markdown: str) -> tuple[str, list[str]]:
    """The markdown with a mark for every formula (`mark_of` its place in the list), and the formulas."""
    clean = _PRIVATE.sub("\ufffd", markdown)
    formulas: list[str] = []

    def exchange(found: re.Match[str]) -> str:
        formula = found["maths"]
        if formula is None:
            return found[0]
        formulas.append(formula)
        return mark_of(len(formulas) - 1)

    if "$" not in clean and "\\(" not in clean and "\\[" not in clean:
        return clean, formulas
    return _SPANS.sub(exchange, clean), formulas


def mark_of(place: int) -> str:
    """What stands for a formula meanwhile: its number in octal, between two marks."""
    return _OPEN + "".join(chr(_ZERO + int(digit)) for digit in f"{place:o}") + _CLOSE
