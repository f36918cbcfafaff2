"""What people write about the week becomes minutes, also over midnight and over Sunday."""

from __future__ import annotations

import pytest

from meadow_engine.api.schedule import DAY_MINUTES, WEEK_MINUTES, Window, parse_schedule

MON, TUE, WED, THU, FRI, SAT, SUN = (day * DAY_MINUTES for day in range(7))
EVERY_DAY = (MON, TUE, WED, THU, FRI, SAT, SUN)


def at(hour: int, minute: int = 0) -> int:
    return 60 * hour + minute


@pytest.mark.parametrize(
    ("text", "windows"),
    [
        ("mon 09:30-17:00", ((MON + at(9, 30), MON + at(17)),)),
        ("mon 9:30-17:00", ((MON + at(9, 30), MON + at(17)),)),
        ("sat,mon 20:00-24:00", ((MON + at(20), TUE), (SAT + at(20), SUN))),
        ("13:00-14:00", tuple((day + at(13), day + at(14)) for day in EVERY_DAY)),
        ("wed", ((WED, THU),)),
        ("sat-sun", ((SAT, WEEK_MINUTES),)),
        ("fri-mon 01:00-02:00", tuple((day + at(1), day + at(2)) for day in (MON, FRI, SAT, SUN))),
        ("tue,thu-fri 01:00-02:00", tuple((day + at(1), day + at(2)) for day in (TUE, THU, FRI))),
        ("fri 22:00-07:00", ((FRI + at(22), SAT + at(7)),)),
        ("sun 22:00-07:00", ((MON, MON + at(7)), (SUN + at(22), WEEK_MINUTES))),
        ("sun 22:00-00:00", ((SUN + at(22), WEEK_MINUTES),)),
        ("  Monday–WED   08:00–09:00 ", tuple((day + at(8), day + at(9)) for day in (MON, TUE, WED))),
        ("mon-sun", ((0, WEEK_MINUTES),)),
        ("00:00-24:00", ((0, WEEK_MINUTES),)),
    ],
    ids=str,
)
def test_a_text_is_the_minutes_that_it_means(text: str, windows: tuple[Window, ...]) -> None:
    assert parse_schedule([text]) == windows


def test_a_night_of_weekdays_ends_on_saturday_morning() -> None:
    windows = parse_schedule(["mon-fri 22:00-07:00"])
    assert windows == tuple((day + at(22), day + DAY_MINUTES + at(7)) for day in (MON, TUE, WED, THU, FRI))


def test_texts_that_meet_or_overlap_are_one_window() -> None:
    texts = ["mon 12:00-14:00", "mon 08:00-12:00", "mon 13:00-13:30", "tue 08:00-09:00"]
    assert parse_schedule(texts) == ((MON + at(8), MON + at(14)), (TUE + at(8), TUE + at(9)))


def test_without_a_text_there_is_no_window() -> None:
    assert parse_schedule([]) == ()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "not a time of the week"),
        ("at night please", "not a time of the week"),
        ("mon 22:00 - 07:00", "not a time of the week"),
        ("mon tue", "no hours behind the days"),
        ("mon 22-07", "no hours behind the days"),
        ("moo 22:00-07:00", "no day 'moo'"),
        ("m 22:00-07:00", "no day 'm'"),
        ("mon- 22:00-07:00", "no day ''"),
        ("mon,,tue 22:00-07:00", "no day ''"),
        ("mon 22:00-7", "no hours such as"),
        ("mon 22:00", "no hours such as"),
        ("mon 22:0-07:00", "no hours such as"),
        ("mon ²2:00-07:00", "no hours such as"),
        ("mon 22:60-07:00", "a time that no day has"),
        ("mon 24:00-07:00", "a time that no day has"),
        ("mon 22:00-24:01", "a time that no day has"),
        ("mon 22:00-22:00", "ends when it begins"),
    ],
)
def test_another_form_is_refused_with_the_text_and_what_is_wrong(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint) as caught:
        parse_schedule(["mon", text])
    assert repr(text) in str(caught.value)
