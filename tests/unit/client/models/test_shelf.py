"""What was computed for a text is found by the next one that begins with it, and falls off after a while."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from fakes.clock import FakeClock
from meadow_client.models.shelf import Shelf, common_tokens, is_worth


def text(*parts: tuple[int, int]) -> list[int]:
    """So many tokens of each kind, one part after the other."""
    return [kind for kind, tokens in parts for _ in range(tokens)]


QUESTION = text((1, 100))
ANSWERED = text((1, 100), (2, 50))


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def shelf(clock: FakeClock) -> Shelf[str]:
    return Shelf(most=3, keep_s=120.0, clock=clock)


def test_the_next_turn_finds_the_last_one(shelf: Shelf[str]) -> None:
    shelf.put(ANSWERED, "session")
    assert shelf.take([*ANSWERED, 9, 9]) == ("session", 150)


def test_the_same_question_finds_all_but_its_last_token(shelf: Shelf[str]) -> None:
    shelf.put(ANSWERED, "session")
    assert shelf.take(QUESTION) == ("session", 99)


def test_what_was_taken_is_nobody_elses(shelf: Shelf[str]) -> None:
    shelf.put(ANSWERED, "session")
    assert shelf.take(QUESTION) is not None
    assert shelf.take(QUESTION) is None
    assert len(shelf) == 0


def test_the_longest_common_beginning_wins(shelf: Shelf[str]) -> None:
    shelf.put(text((1, 60)), "short")
    shelf.put(text((1, 90), (3, 20)), "longest")
    shelf.put(text((1, 80), (4, 20)), "long")
    assert shelf.take(QUESTION) == ("longest", 90)


def test_among_equals_the_one_that_knows_least_else_wins(shelf: Shelf[str]) -> None:
    shelf.put(text((1, 80), (2, 50)), "long conversation")
    shelf.put(text((1, 80), (3, 10)), "short conversation")
    assert shelf.take(text((1, 80), (4, 30))) == ("short conversation", 80)


@pytest.mark.parametrize(
    ("kept", "asked"),
    [
        (text((1, 31)), text((1, 100))),  # too little to matter
        (text((1, 40), (2, 60)), text((1, 40), (3, 60))),  # a greeting that all conversations share
        (text((1, 100)), text((2, 100))),
        (text((1, 100)), []),
    ],
)
def test_what_saves_too_little_is_left_for_others(shelf: Shelf[str], kept: Sequence[int], asked: Sequence[int]) -> None:
    shelf.put(kept, "session")
    assert shelf.take(asked) is None
    assert len(shelf) == 1


def test_half_of_either_text_is_worth_it() -> None:
    assert is_worth(32, 64, 1000)
    assert is_worth(32, 1000, 64)
    assert not is_worth(32, 65, 65)
    assert not is_worth(31, 31, 31)


def test_where_nothing_can_be_taken_back_only_whole_texts_help(clock: FakeClock) -> None:
    shelf: Shelf[str] = Shelf(clock=clock, can_forget=False)
    shelf.put(ANSWERED, "session")
    assert shelf.take(ANSWERED) is None
    assert shelf.take([*ANSWERED[:-1], 9, 9]) is None
    assert shelf.take([*ANSWERED, 9]) == ("session", 150)


def test_the_oldest_falls_off_a_full_shelf(shelf: Shelf[str]) -> None:
    assert [shelf.put(text((kind, 50)), f"session {kind}") for kind in range(3)] == [[], [], []]
    assert shelf.put(text((3, 50)), "session 3") == ["session 0"]
    assert len(shelf) == 3


def test_each_is_kept_for_its_time(shelf: Shelf[str], clock: FakeClock) -> None:
    assert shelf.next_s() is None
    shelf.put(text((1, 50)), "first")
    clock.advance(100)
    shelf.put(text((2, 50)), "second")
    assert shelf.next_s() == 20
    clock.advance(19.5)
    assert shelf.expire() == []
    clock.advance(0.5)
    assert shelf.take(text((1, 50))) is None
    assert shelf.next_s() == 0
    assert shelf.expire() == ["first"]
    assert shelf.next_s() == 100


def test_whatever_is_put_sends_away_what_is_too_old(shelf: Shelf[str], clock: FakeClock) -> None:
    shelf.put(text((1, 50)), "first")
    clock.advance(121)
    assert shelf.put(text((2, 50)), "second") == ["first"]


def test_a_closed_shelf_keeps_nothing(shelf: Shelf[str]) -> None:
    shelf.put(text((1, 50)), "first")
    assert shelf.close() == ["first"]
    assert shelf.put(text((1, 50)), "second") == ["second"]
    assert shelf.next_s() is None


@pytest.mark.parametrize("common", [0, 1, 2, 3, 63, 64, 65, 200])
def test_common_tokens_are_counted_exactly(common: int) -> None:
    one = tuple(range(common))
    assert common_tokens((*one, -1, 5, 6), (*one, -2, 5, 6)) == common
    assert common_tokens(one, (*one, 7)) == common
    assert common_tokens((*one, 7), one) == common
