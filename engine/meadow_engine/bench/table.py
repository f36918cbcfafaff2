"""How people read a measurement. Pure: no torch."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any


def is_spread(value: Any) -> bool:
    return isinstance(value, Mapping) and set(value) == {"min", "median", "max"}


def number(value: float) -> str:
    """Three or four digits that matter, without powers of ten."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    decimals = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:.{min(decimals, 9)}f}"


def words_of(value: Any) -> str:
    """A value for people: a spread as `median (min to max)`."""
    if is_spread(value):
        return f"{number(value['median'])} ({number(value['min'])} to {number(value['max'])})"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return number(value) if isinstance(value, float) else str(value)


def rows(report: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Every value of a report once: its name, ours, the reference's; both are beside each other where both exist."""
    ours, reference = report["results"], report["reference"]
    for name in [*ours, *(name for name in reference if name not in ours)]:
        yield (
            name.replace("_", " "),
            words_of(ours[name]) if name in ours else "",
            words_of(reference[name]) if name in reference else "",
        )


def table(report: Mapping[str, Any]) -> str:
    """A few lines for people."""
    lines = [("", "ours", "reference"), *rows(report), ("ratio of tokens per second", words_of(report["ratio"]), "")]
    widths = [max(len(line[column]) for line in lines) for column in range(3)]
    head = f"{report['bench']}: {report['model']}, {report['settings']['runs']} runs; median (min to max)"
    body = ["  " + "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines]
    return "\n".join([head, *(line.rstrip() for line in body)])
