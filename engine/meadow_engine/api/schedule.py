"""Hours of the week in which a computer may be shared, as people write them and as minutes.

    [DAYS] [HH:MM-HH:MM]      mon-fri 22:00-07:00    sat,sun    13:00-14:00    tue,thu-sat 20:00-24:00

Without days it is every day, without hours the whole day. Hours that end before they begin go on into the next day,
which need not be among the days. A window is half open, in minutes of the local week from Monday 0:00.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

DAY_MINUTES = 24 * 60
WEEK_MINUTES = 7 * DAY_MINUTES

Window = tuple[int, int]
"""From and to, with 0 <= from < to <= `WEEK_MINUTES`."""

_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_HOURS = re.compile(r"([0-9]{1,2}):([0-9]{2})-([0-9]{1,2}):([0-9]{2})")
_FORM = "write it as mon-fri 22:00-07:00"


def parse_schedule(texts: Iterable[str]) -> tuple[Window, ...]:
    """The windows of all texts together, in order, without overlaps; none for no text.

    What goes over Sunday's midnight is two windows, one at each end of the week.

    Raises:
        ValueError: a text has another form; the error says which text and what is wrong with it.
    """
    windows = sorted(window for text in texts for window in _parse(text))
    merged: list[Window] = []
    for start, end in windows:
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return tuple(merged)


def check_schedule_entry(text: str) -> str:
    """The text as it is.

    Raises:
        ValueError: it has another form than this module's docstring says.
    """
    _parse(text)
    return text


def _parse(text: str) -> list[Window]:
    words = text.lower().replace("–", "-").split()
    if not words or len(words) > 2:
        raise ValueError(f"{text!r} is not a time of the week: {_FORM}")
    hours = words.pop() if ":" in words[-1] else None
    if len(words) > 1:
        raise ValueError(f"{text!r} has no hours behind the days: {_FORM}")
    days = _parse_days(words[0], text) if words else range(7)
    start, end = _parse_hours(hours, text) if hours else (0, DAY_MINUTES)
    found: list[Window] = []
    for day in days:
        found += _within_week(day * DAY_MINUTES + start, end - start + (DAY_MINUTES if end < start else 0))
    return found


def _within_week(start: int, length: int) -> list[Window]:
    end = start + length
    return [(start, end)] if end <= WEEK_MINUTES else [(start, WEEK_MINUTES), (0, end - WEEK_MINUTES)]


def _parse_days(word: str, text: str) -> list[int]:
    days: list[int] = []
    for part in word.split(","):
        first, separator, last = part.partition("-")
        start = _day(first, text)
        end = _day(last, text) if separator else start
        days += [(start + step) % 7 for step in range((end - start) % 7 + 1)]
    return days


def _day(name: str, text: str) -> int:
    for number, day in enumerate(_DAYS):
        if len(name) >= 3 and day.startswith(name):
            return number
    raise ValueError(f"{text!r} has no day {name!r}: days are mon, tue, wed, thu, fri, sat and sun")


def _parse_hours(word: str, text: str) -> tuple[int, int]:
    match = _HOURS.fullmatch(word)
    if match is None:
        raise ValueError(f"{text!r} has no hours such as 22:00-07:00")
    from_hour, from_minute, to_hour, to_minute = map(int, match.groups())
    start, end = 60 * from_hour + from_minute, 60 * to_hour + to_minute
    if max(from_minute, to_minute) > 59 or start >= DAY_MINUTES or end > DAY_MINUTES:
        raise ValueError(f"{text!r} names a time that no day has: they go from 00:00 to 24:00")
    if start == end:
        raise ValueError(f"{text!r} ends when it begins: for the whole day leave the hours out")
    return start, end
