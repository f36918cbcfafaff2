"""Sharing follows what is wanted, says in which state it is, and survives whatever becomes of the host process."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from fakes import host_program
from meadow_engine import sharing as sharing_module
from meadow_engine.api.status import Span
from meadow_engine.host.protocol import Helped, Limits, Order
from meadow_engine.sharing import Sharing


@dataclass
class Room:
    """A sharing whose host process is a fake, and the states it went through."""

    gate: Path
    kind: str = "good"
    states: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.sharing = Sharing(self.order, host_program.COMMAND)
        self.sharing.on_change = lambda: self.states.append(self.sharing.state)

    def order(self) -> Order:
        return Order(self.kind, "", "cpu", "auto", "none", "mine", [], [], str(self.gate))

    async def until(self, is_so: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not is_so():  # noqa: ASYNC110 - what a process does has no event
                await asyncio.sleep(0.01)

    async def until_state(self, state: str) -> None:
        await self.until(lambda: self.sharing.state == state)

    def log(self) -> list[str]:
        """What the host processes noted."""
        path = self.gate.with_name(self.gate.name + ".log")
        return path.read_text().splitlines() if path.exists() else []

    def processes(self) -> list[int]:
        return [int(line.split()[2]) for line in self.log() if line.startswith("start")]


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    found = Room(tmp_path / "gate")
    running = asyncio.ensure_future(found.sharing.run())  # noqa: TID251 - ended below
    await asyncio.sleep(0)
    yield found
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    for process in found.processes():
        assert not psutil.pid_exists(process) or psutil.Process(process).status() == psutil.STATUS_ZOMBIE


async def test_nothing_is_shared_before_it_is_wanted(room: Room) -> None:
    assert (room.sharing.state, room.sharing.hosted, room.log()) == ("off", None, [])


async def test_sharing_begins_and_ends_as_it_is_wanted(room: Room) -> None:
    room.sharing.want(True)
    await room.until_state("sharing")
    await room.until(lambda: room.sharing.tokens == 100)
    assert room.sharing.detail == "Holding layers 2–4 of good"
    assert room.sharing.hosted is not None
    assert room.sharing.hosted.span == Span(start=2, end=5)
    assert room.sharing.sessions == 1
    room.sharing.want(False, "Paused by you", within_s=10)
    await room.until_state("off")
    assert (room.sharing.detail, room.sharing.hosted, room.sharing.sessions) == ("Paused by you", None, 0)
    assert [state for state, before in zip(room.states, ["", *room.states], strict=False) if state != before] == [
        "starting",
        "sharing",
        "stopping",
        "off",
    ]
    assert room.log()[1:] == ["leave 9.6"]


async def test_wanting_twice_shares_once(room: Room) -> None:
    for _ in range(2):
        room.sharing.want(True)
        await room.until_state("sharing")
    assert len(room.processes()) == 1


async def test_tokens_are_counted_over_all_host_processes(room: Room) -> None:
    for count in (100, 200):
        room.sharing.want(True)
        await room.until(lambda count=count: room.sharing.tokens == count)  # type: ignore[misc]
        room.sharing.want(False)
        await room.until_state("off")


async def test_traffic_is_told_as_it_grows_up_to_the_end_and_over_all_host_processes(room: Room) -> None:
    told: list[tuple[int, int]] = []
    room.sharing.on_traffic = lambda sent_bytes, received_bytes: told.append((sent_bytes, received_bytes))
    for count in (1, 2):
        room.sharing.want(True)
        await room.until(lambda count=count: len(told) == 2 * count - 1)  # type: ignore[misc]
        room.sharing.want(False)
        await room.until_state("off")
        assert told == [(2000, 300), (500, 0)] * count


async def test_help_is_told_up_to_the_end(room: Room) -> None:
    told: list[Helped] = []
    room.sharing.on_helped = told.append
    room.kind = "helping"
    room.sharing.want(True)
    await room.until(lambda: len(told) == 1)
    room.sharing.want(False)
    await room.until_state("off")
    assert told == [Helped("helping", "client", 100, 700, 1), Helped("helping", "client", 5, 35, 0)]


async def test_help_is_told_up_to_the_end_of_the_engine_too(room: Room) -> None:
    told: list[Helped] = []
    room.kind = "helping"
    other = Sharing(room.order, host_program.COMMAND)
    other.on_helped = told.append
    async with asyncio.TaskGroup() as group:
        running = group.create_task(other.run())
        other.want(True)
        await room.until(lambda: len(told) == 1)
        running.cancel()
    assert [help.tokens for help in told] == [100, 5]


async def test_limits_that_change_reach_the_host_process(room: Room) -> None:
    room.sharing.limit(Limits(0.5, 1e6))  # nobody is there to hear it
    room.sharing.want(True)
    await room.until_state("sharing")
    room.sharing.limit(Limits(0.25, 2e6))
    await room.until(lambda: room.log()[1:] == ["limits 0.25 2000000.0"])


async def test_loading_is_told_and_may_be_called_off(room: Room) -> None:
    room.kind = "slow"
    room.sharing.want(True)
    await room.until(lambda: room.sharing.detail == "Loading layers of slow")
    assert room.sharing.state == "starting"
    room.sharing.want(False, within_s=0.5)  # it does not listen while it loads: it is killed
    await room.until_state("off")
    room.gate.touch()
    room.sharing.want(True)
    await room.until_state("sharing")


async def test_a_host_that_does_not_leave_in_time_is_gone_all_the_same(room: Room) -> None:
    room.kind = "deaf"
    room.sharing.want(True)
    await room.until_state("sharing")
    clock = asyncio.get_running_loop().time
    began_s = clock()
    room.sharing.want(False, within_s=0.6)
    await room.until_state("off")
    assert 0.5 < clock() - began_s < 2.0


async def test_somebody_who_comes_back_while_conversations_are_handed_over_does_not_wait_for_that(room: Room) -> None:
    room.kind = "deaf"
    room.sharing.want(True)
    await room.until_state("sharing")
    clock = asyncio.get_running_loop().time
    began_s = clock()
    room.sharing.want(False, "The hours are over", within_s=30)
    await room.until_state("stopping")
    room.sharing.want(False, "You are back", within_s=0.5)
    await room.until_state("off")
    assert clock() - began_s < 5
    assert room.sharing.detail == "You are back"


async def test_who_changes_their_mind_while_it_ends_shares_again(room: Room) -> None:
    room.kind = "deaf"
    room.sharing.want(True)
    await room.until_state("sharing")
    room.sharing.want(False, within_s=0.5)
    await room.until_state("stopping")
    room.kind = "good"
    details: list[str] = []
    room.sharing.on_change = lambda: details.append(room.sharing.detail)
    room.sharing.want(True)
    await room.until(lambda: len(room.processes()) == 2 and room.sharing.state == "sharing")
    assert not [detail for detail in details if "unexpectedly" in detail]


async def test_one_that_is_ready_while_it_is_told_to_leave_is_not_shown_as_sharing(room: Room) -> None:
    room.kind = "slow"
    room.sharing.want(True)
    await room.until(lambda: room.sharing.detail == "Loading layers of slow")
    room.sharing.want(False, within_s=5)
    await room.until_state("stopping")
    room.gate.touch()
    await room.until_state("off")
    assert room.log()[1:] == ["leave 4.6"]
    assert "sharing" not in room.states


async def test_a_host_that_dies_is_started_again_and_the_reason_is_shown(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sharing_module, "_FIRST_PAUSE_S", 0.05)
    room.kind = "crashing"
    room.sharing.want(True)
    await room.until(lambda: "ended unexpectedly (signal 9)" in room.sharing.detail)
    room.kind = "good"
    await room.until_state("sharing")


async def test_a_host_that_somebody_ended_by_hand_stays_away_for_longer_than_one_that_crashed(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sharing_module, "_ENDED_BY_HAND_PAUSE_S", 1.2)
    monkeypatch.setattr(sharing_module, "_FIRST_PAUSE_S", 0.01)
    details: list[str] = []
    room.sharing.on_change = lambda: details.append(room.sharing.detail)
    room.kind = "ended"
    room.sharing.want(True)
    await room.until(lambda: "Starting again in 1 s" in room.sharing.detail)
    assert "Somebody has ended the part that hosts layers; conversations move on" in details
    room.kind = "good"
    await asyncio.sleep(0.5)
    assert len(room.processes()) == 1
    await room.until_state("sharing")


async def test_one_that_dies_again_and_again_is_started_less_and_less_often(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sharing_module, "_FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(sharing_module, "_LONGEST_PAUSE_S", 30.0)
    room.kind = "crashing"
    details: list[str] = []
    room.sharing.on_change = lambda: details.append(room.sharing.detail)
    room.sharing.want(True)
    await room.until(lambda: sum("Starting again" in detail for detail in details) >= 3)
    room.sharing.want(False)
    await room.until_state("off")


async def test_an_expected_failure_is_shown_with_its_advice_and_tried_again_only_when_asked(room: Room) -> None:
    room.kind = "refused"
    room.sharing.want(True)
    await room.until_state("failed")
    assert room.sharing.detail == "The model is not there. Choose another one."
    await asyncio.sleep(0.1)
    assert len(room.processes()) == 1
    room.kind = "good"
    room.sharing.want(True)
    await room.until_state("sharing")


async def test_an_expected_failure_is_tried_again_after_a_while(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing_module, "_TRY_AGAIN_S", 0.3)
    room.kind = "refused"
    room.sharing.want(True)
    await room.until_state("failed")
    room.kind = "good"
    await room.until_state("sharing")


async def test_a_failure_is_forgotten_when_sharing_is_switched_off(room: Room) -> None:
    room.kind = "refused"
    room.sharing.want(True)
    await room.until_state("failed")
    room.sharing.want(False)
    await room.until_state("off")
    assert room.sharing.detail == "Sharing is switched off"


async def test_what_libraries_print_is_no_report(room: Room) -> None:
    room.kind = "noisy"
    room.sharing.want(True)
    await room.until_state("sharing")


async def test_a_program_that_cannot_be_started_is_a_reason_and_no_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sharing_module, "_FIRST_PAUSE_S", 0.01)
    room = Room(tmp_path / "gate")
    room.sharing = Sharing(room.order, [os.devnull])
    running = asyncio.ensure_future(room.sharing.run())  # noqa: TID251 - ended below
    room.sharing.want(True)
    await room.until(lambda: "cannot be started" in room.sharing.detail)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
