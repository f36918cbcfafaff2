"""The computer stays awake while it should; a system that does not let it is a line in the log and nothing else."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest
from wakepy import keep

from meadow_engine.keep_awake import KeepAwake

SOON_S = 10.0


class System:
    """Says whether it was asked to stay awake."""

    def __init__(self) -> None:
        self.held = 0
        self.begun, self.ended = threading.Event(), threading.Event()

    @contextmanager
    def inhibit(self) -> Iterator[None]:
        self.held += 1
        self.begun.set()
        try:
            yield
        finally:
            self.ended.set()


def test_nothing_is_asked_for_until_it_is_wanted() -> None:
    system = System()
    KeepAwake(system.inhibit).follow(False)
    assert not system.begun.is_set()


def test_it_begins_once_and_ends_again() -> None:
    system = System()
    awake = KeepAwake(system.inhibit)
    for _ in range(3):
        awake.follow(True)
    assert system.begun.wait(SOON_S)
    assert not system.ended.is_set()
    awake.follow(False)
    assert system.ended.wait(SOON_S)
    assert system.held == 1


def test_it_may_begin_again() -> None:
    system = System()
    awake = KeepAwake(system.inhibit)
    for times in (1, 2):
        system.begun.clear()
        system.ended.clear()
        awake.follow(True)
        assert system.begun.wait(SOON_S)
        awake.follow(False)
        assert system.ended.wait(SOON_S)
        assert system.held == times


def test_a_system_that_refuses_is_a_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    asked = threading.Event()

    def refuse() -> AbstractContextManager[object]:
        asked.set()
        raise OSError("no bus")

    awake = KeepAwake(refuse)
    awake.follow(True)
    assert asked.wait(SOON_S)
    for thread in threading.enumerate():
        if thread.name == "meadow-keep-awake":
            thread.join(SOON_S)
    assert "may go to sleep" in caplog.text
    awake.follow(False)


def test_the_library_takes_what_we_ask_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAKEPY_FAKE_SUCCESS", "yes")
    with keep.running(on_fail="error") as mode:
        assert mode.active
