"""A pause outlives the engine, and a file that cannot be read or written hurts nobody."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from meadow_engine.kept_wishes import keep_wishes, read_wishes
from meadow_engine.policy import wishes
from meadow_engine.policy.wishes import PauseLength, Wishes

BEFORE_S, AFTER_S = 5000.0, 20.0
"""The facts' clock before and after a restart of the computer."""
NOON_S = 1_700_000_000.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "sharing.json"


def restarted(path: Path, kept: Wishes, away_s: float) -> Wishes:
    """What a new engine knows, when the old one has been gone for so long."""
    keep_wishes(path, kept, BEFORE_S, NOON_S)
    return read_wishes(path, AFTER_S, NOON_S + away_s)


def paused(length: PauseLength) -> Wishes:
    return wishes.pause(Wishes(), length, BEFORE_S)


@pytest.mark.parametrize(("length", "seconds"), [("30m", 1800), ("1h", 3600), ("4h", 14400)])
def test_a_pause_goes_on_for_what_is_left_of_it(path: Path, length: PauseLength, seconds: int) -> None:
    assert restarted(path, paused(length), away_s=600).pause_left_s(AFTER_S) == pytest.approx(seconds - 600)
    assert restarted(path, paused(length), away_s=seconds) == Wishes()


def test_a_pause_until_resumed_has_no_end(path: Path) -> None:
    assert restarted(path, paused("resumed"), away_s=10**7).pause_left_s(AFTER_S) is None


def test_a_pause_until_restart_ends_with_the_engine(path: Path) -> None:
    assert restarted(path, paused("restart"), away_s=0) == Wishes()


def test_finishing_goes_on(path: Path) -> None:
    assert restarted(path, wishes.finish(Wishes()), away_s=60) == Wishes(is_finishing=True)


def test_resuming_is_remembered_as_well(path: Path) -> None:
    restarted(path, paused("resumed"), away_s=0)
    assert restarted(path, wishes.resume(paused("resumed"), BEFORE_S), away_s=0) == Wishes()


def test_what_was_to_be_shared_anyway_ends_with_the_engine(path: Path) -> None:
    assert restarted(path, wishes.share_anyway(Wishes(), "metered", BEFORE_S), away_s=0) == Wishes()


def test_a_wall_clock_that_was_set_back_makes_no_pause_longer_than_the_longest(path: Path) -> None:
    assert restarted(path, paused("1h"), away_s=-(10.0**6)).pause_left_s(AFTER_S) == 4 * 3600


def test_the_file_is_the_persons_own(path: Path) -> None:
    keep_wishes(path, paused("1h"), BEFORE_S, NOON_S)
    assert path.stat().st_mode & 0o777 == 0o600


def test_without_a_file_nothing_was_asked_for(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert read_wishes(path, AFTER_S, NOON_S) == Wishes()
    assert caplog.messages == []


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b'{"pause": "for ever"}',
        b'{"pause": "1h", "until": "noon"}',
        b'{"is_finishing": {}}',
        b"[" * 100_000,
    ],
)
def test_a_corrupted_file_is_named_and_forgotten(path: Path, content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    assert read_wishes(path, AFTER_S, NOON_S) == Wishes()
    assert str(path) in caplog.text
    assert restarted(path, paused("1h"), away_s=0).pause is not None


@pytest.mark.parametrize("content", [b"{}", b'{"pause": "1h"}', b'{"pause": "1h", "until": NaN}', b'{"more": 1}'])
def test_half_a_pause_is_none(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    assert read_wishes(path, AFTER_S, NOON_S) == Wishes()


def test_a_place_that_cannot_be_written_or_read_is_named_and_no_more(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    path.mkdir(parents=True)  # root, too, cannot write a file in place of a folder
    keep_wishes(path, paused("1h"), BEFORE_S, NOON_S)
    assert "The pause cannot be kept over a restart" in caplog.text
    assert read_wishes(path, AFTER_S, NOON_S) == Wishes()
    assert [child.name for child in path.parent.iterdir()] == [path.name]
