"""Sharing follows what the person wants, says in which state it is, and survives what fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from meadow_client.errors import MeadowError, ModelUnusableError
from meadow_engine import sharing as sharing_module
from meadow_engine.hosting import HostOptions
from meadow_engine.sharing import Sharing


@dataclass
class FakeHosting:
    """Stands for `hosting`: starts when the test lets it, and fails when the test says so."""

    may_start: asyncio.Event = field(default_factory=asyncio.Event)
    fails_with: Exception | None = None
    running: int = 0
    started: int = 0

    @asynccontextmanager
    async def __call__(self, *_asked: Any) -> AsyncIterator[Any]:
        await self.may_start.wait()
        if self.fails_with is not None:
            raise self.fails_with
        self.running += 1
        self.started += 1
        try:
            yield SimpleNamespace(span=SimpleNamespace(start=2, end=5))
        finally:
            self.running -= 1


@dataclass
class Room:
    """A sharing, its hosting, and the states it went through."""

    sharing: Sharing
    hosting: FakeHosting
    states: list[str] = field(default_factory=list)

    async def settle(self) -> None:
        for _ in range(20):
            await asyncio.sleep(0)


@pytest.fixture
async def room(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Room]:
    hosting = FakeHosting()
    hosting.may_start.set()
    monkeypatch.setattr(sharing_module, "hosting", hosting)
    description: Any = SimpleNamespace(name="demo")
    nothing: Any = None
    sharing = Sharing(nothing, description, nothing, HostOptions())
    found = Room(sharing, hosting)
    sharing.on_change = lambda: found.states.append(sharing.state)
    running = asyncio.ensure_future(sharing.run())  # noqa: TID251 - ended below
    await found.settle()
    yield found
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    assert hosting.running == 0


async def test_nothing_is_shared_before_it_is_wanted(room: Room) -> None:
    assert (room.sharing.state, room.sharing.hosted, room.hosting.started) == ("off", None, 0)


async def test_sharing_begins_and_ends_as_it_is_wanted(room: Room) -> None:
    room.sharing.want(True)
    await room.settle()
    assert (room.sharing.state, room.hosting.running) == ("sharing", 1)
    assert room.sharing.detail == "Holding layers 2–4 of demo"
    assert room.sharing.hosted is not None
    room.sharing.want(False)
    await room.settle()
    assert (room.sharing.state, room.sharing.hosted, room.hosting.running) == ("off", None, 0)
    assert room.states == ["off", "starting", "sharing", "stopping", "off"]


async def test_wanting_twice_shares_once(room: Room) -> None:
    for _ in range(2):
        room.sharing.want(True)
        await room.settle()
    assert room.hosting.started == 1


async def test_loading_is_told(room: Room) -> None:
    room.hosting.may_start.clear()
    room.sharing.want(True)
    await room.settle()
    assert (room.sharing.state, room.sharing.detail) == ("starting", "Loading layers of demo")
    room.hosting.may_start.set()
    await room.settle()
    assert room.sharing.state == "sharing"


async def test_who_changes_their_mind_while_layers_load_does_not_share(room: Room) -> None:
    room.hosting.may_start.clear()
    room.sharing.want(True)
    await room.settle()
    room.sharing.want(False)
    room.hosting.may_start.set()
    await room.settle()
    assert (room.sharing.state, room.hosting.running) == ("off", 0)


async def test_who_changes_their_mind_twice_shares(room: Room) -> None:
    room.hosting.may_start.clear()
    room.sharing.want(True)
    await room.settle()
    room.sharing.want(False)
    room.sharing.want(True)
    room.hosting.may_start.set()
    await room.settle()
    assert (room.sharing.state, room.hosting.running) == ("sharing", 1)


async def test_what_fails_is_told_with_its_advice(room: Room) -> None:
    room.hosting.fails_with = ModelUnusableError("The weights are gone", "Get them again.")
    room.sharing.want(True)
    await room.settle()
    assert room.sharing.state == "failed"
    assert room.sharing.detail == "The weights are gone. Get them again."
    assert room.sharing.hosted is None


async def test_a_failure_of_several_parts_at_once_is_told_by_its_first(room: Room) -> None:
    room.hosting.fails_with = ExceptionGroup("both", [MeadowError("The network failed"), MeadowError("Another")])
    room.sharing.want(True)
    await room.settle()
    assert room.sharing.detail.startswith("The network failed.")


async def test_after_a_failure_sharing_can_be_tried_again(room: Room) -> None:
    room.hosting.fails_with = ModelUnusableError("The weights are gone")
    room.sharing.want(True)
    await room.settle()
    room.hosting.fails_with = None
    room.sharing.want(True)
    await room.settle()
    assert room.sharing.state == "sharing"


async def test_after_a_failure_sharing_can_be_switched_off(room: Room) -> None:
    room.hosting.fails_with = ModelUnusableError("The weights are gone")
    room.sharing.want(True)
    await room.settle()
    room.sharing.want(False)
    await room.settle()
    assert room.sharing.state == "off"


async def test_when_the_engine_ends_its_layers_are_given_back(room: Room) -> None:
    room.sharing.want(True)
    await room.settle()
    assert room.hosting.running == 1  # the fixture ends the engine and looks again


async def test_a_failure_nobody_expected_does_not_end_the_engine(room: Room) -> None:
    room.hosting.fails_with = RuntimeError("CUDA error: device-side assert triggered")
    room.sharing.want(True)
    await room.settle()
    assert room.sharing.state == "failed"
