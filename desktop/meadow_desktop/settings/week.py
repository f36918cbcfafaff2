"""Hours of the week as cells of a grid, and as the texts that settings.toml keeps. Pure.

A cell is (day, hour): Monday is 0, hours go from 0 to 23. No cell at all means what an empty setting means: any time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from meadow_engine.api.schedule import DAY_MINUTES, parse_schedule

Cell = tuple[int, int]

DAYS = range(7)
HOURS = range(24)
_NAMES = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_HOUR_MINUTES = 60


def cells_of(entries: Iterable[str]) -> frozenset[Cell] | None:
    """The hours that the texts allow; None when they cannot be read, or begin or end within an hour."""
    try:
        windows = parse_schedule(entries)
    except ValueError:
        return None
    if any(edge % _HOUR_MINUTES for window in windows for edge in window):
        return None
    return frozenset(
        (minute // DAY_MINUTES, minute % DAY_MINUTES // _HOUR_MINUTES)
        for start, end in windows
        for minute in range(start, end, _HOUR_MINUTES)
    )


def entries_of(cells: Iterable[Cell]) -> list[str]:
    """The shortest texts that allow exactly these hours, but for nights, which are cut at midnight."""
    chosen = set(cells)
    if not chosen or len(chosen) == len(DAYS) * len(HOURS):
        return []
    days_of: dict[tuple[int, int], list[int]] = {}
    for day in DAYS:
        for span in _spans(sorted(hour for on, hour in chosen if on == day)):
            days_of.setdefault(span, []).append(day)
    return [_entry(days, start, end) for (start, end), days in sorted(days_of.items(), key=lambda item: item[1])]


def _spans(hours: list[int]) -> Iterator[tuple[int, int]]:
    """Runs of hours that follow each other, as [start, end)."""
    start = previous = -2
    for hour in hours:
        if hour != previous + 1:
            if previous >= 0:
                yield start, previous + 1
            start = hour
        previous = hour
    if previous >= 0:
        yield start, previous + 1


def _entry(days: list[int], start: int, end: int) -> str:
    runs = ",".join(
        _NAMES[first] if last - first == 1 else f"{_NAMES[first]}-{_NAMES[last - 1]}" for first, last in _spans(days)
    )
    words = [] if len(days) == len(DAYS) else [runs]
    if (start, end) != (0, len(HOURS)):
        words.append(f"{start:02}:00-{end:02}:00")
    return " ".join(words)
