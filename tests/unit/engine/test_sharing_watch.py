"""The watch looks often while it has to, at once when something happens, and has every decision followed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import pytest

from fakes.clock import FakeClock
from meadow_engine import sharing_watch as watch_module
from meadow_engine.policy import wishes
from meadow_engine.policy.facts import Facts
from meadow_engine.policy.rules import GB, Rules
from meadow_engine.sharing_watch import SharingWatch


@dataclass
class FakeComputer:
    """Says what is known; `gate` lets an answer wait."""

    clock: FakeClock
    now: dict[str, Any] = field(default_factory=lambda: {"idle_s": 3600.0, "free_memory_bytes": 20 * GB})
    looks: int = 0
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.gate.set()

    async def read(self) -> Facts:
        self.looks += 1
        await self.gate.wait()
        return Facts(self.clock.now, **self.now)


@dataclass
class FakeSharing:
    """Keeps what is asked of it."""

    asked: list[tuple[Any, ...]] = field(default_factory=list)

    def want(self, enabled: bool, why_not: str = "", within_s: float = 0.0) -> None:
        self.asked.append((enabled, why_not, within_s))


@dataclass
class Post:
    """A watch with all that is around it."""

    rules: Rules = field(default_factory=lambda: Rules(consent=True))
    clock: FakeClock = field(default_factory=FakeClock)
    sharing: FakeSharing = field(default_factory=FakeSharing)

    def __post_init__(self) -> None:
        self.computer = FakeComputer(self.clock)
        self.wall_clock = FakeClock()
        self.watch = SharingWatch(self.computer, self.sharing, lambda: self.rules, self.clock, self.wall_clock)

    def look(self, **seen: Any) -> None:
        """One look, at what is seen from now on."""
        self.computer.now |= seen
        self.watch.follow(Facts(self.clock.now, **self.computer.now))

    @property
    def code(self) -> str | None:
        decision = self.watch.decision
        return decision.reason.code if decision is not None and decision.reason is not None else None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(self.watch.run())
            await self.watch.looked()
            yield
            task.cancel()


@pytest.fixture
def post() -> Post:
    return Post()


def test_what_may_be_shared_is_shared(post: Post) -> None:
    post.look()
    assert post.sharing.asked == [(True, "", 0.0)]


def test_what_is_decided_again_is_not_said_again(post: Post) -> None:
    for _ in range(5):
        post.look()
    post.look(idle_s=0.0)
    for _ in range(5):
        post.clock.advance(1)
        post.look(idle_s=0.0)
    assert [enabled for enabled, _, _ in post.sharing.asked] == [True, False]


def test_the_person_who_is_back_has_everything_within_two_seconds_and_reads_why(post: Post) -> None:
    post.look()
    post.look(idle_s=0.0)
    enabled, sentence, within_s = post.sharing.asked[-1]
    assert (enabled, within_s) == (False, 2.0)
    assert sentence.startswith("You are using this computer.")


def test_what_may_finish_gets_half_a_minute_for_handing_over(post: Post) -> None:
    post.look()
    post.watch.wish(lambda known, _now_s: wishes.finish(known))
    post.look()
    assert (post.watch.decision is not None and post.watch.decision.verb) == "drain"
    assert post.sharing.asked[-1][::2] == (False, 30.0)
    post.look(idle_s=0.0)
    assert post.sharing.asked[-1][::2] == (False, 2.0)


def test_a_wish_is_passed_on_even_if_it_is_the_same_again(post: Post) -> None:
    """After a failure, which the watch does not hear of, it means: try again."""
    post.look()
    post.watch.wish(wishes.resume)
    post.look()
    assert post.sharing.asked == [(True, "", 0.0)] * 2


def test_rules_count_from_the_next_look(post: Post) -> None:
    post.look()
    post.rules = replace(post.rules, mode="never")
    post.look()
    assert post.code == "switched-off"


def test_the_persons_own_chat_comes_first(post: Post) -> None:
    is_chatting = True
    post.watch.is_chatting = lambda: is_chatting
    post.look()
    assert post.code == "own-chat"
    is_chatting = False
    post.look()
    assert post.code is None


def test_a_change_is_told_once(post: Post) -> None:
    told: list[str | None] = []
    post.watch.on_change = lambda: told.append(post.code)
    for idle_s in (3600.0, 3600.0, 0.0, 1.0, 2.0):
        post.look(idle_s=idle_s)
    assert told == [None, "person-here"]


async def test_it_looks_four_times_a_second_while_layers_are_held_else_every_two_seconds(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []

    def timeout(seconds: float) -> asyncio.Timeout:
        waits.append(seconds)
        return asyncio.timeout(0.001)

    in_watch = SimpleNamespace(**{**vars(asyncio), "timeout": timeout})
    monkeypatch.setattr(watch_module, "asyncio", in_watch)

    async def looks(count: int) -> None:
        enough = post.computer.looks + count
        await until(lambda: post.computer.looks >= enough)

    async with post.running():
        await looks(3)
        assert set(waits) == {0.25}
        post.computer.now["idle_s"] = 0.0
        await looks(3)
        post.clock.advance(3)  # nothing is held any more
        await looks(3)
        assert waits[-1] == 2.0


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody looks by themselves."""
    monkeypatch.setattr(watch_module, "LOOK_S", 3600.0)
    monkeypatch.setattr(watch_module, "LOOK_WHILE_SHARING_S", 3600.0)


@pytest.mark.usefixtures("patient")
async def test_a_sense_that_hears_of_the_person_makes_it_look_at_once(post: Post) -> None:
    async with post.running():
        assert post.code is None
        post.computer.now["idle_s"] = 0.0
        post.watch.look_now()
        await until(lambda: post.code == "person-here")


@pytest.mark.usefixtures("patient")
async def test_a_wish_is_decided_on_when_looked_returns_and_that_is_one_look_later(post: Post) -> None:
    async with post.running():
        looks = post.computer.looks
        post.watch.wish(lambda known, now_s: wishes.pause(known, "1h", now_s))
        async with asyncio.timeout(5):
            await post.watch.looked()
        assert post.code == "paused"
        assert post.computer.looks == looks + 1


@pytest.mark.usefixtures("patient")
async def test_a_wish_during_a_look_is_decided_on_with_what_that_look_sees(post: Post) -> None:
    async with post.running():
        post.computer.gate.clear()
        post.watch.look_now()
        await until(lambda: post.computer.looks == 2)
        post.watch.wish(lambda known, now_s: wishes.pause(known, "1h", now_s))
        post.computer.gate.set()
        async with asyncio.timeout(5):
            await post.watch.looked()
        assert post.code == "paused"


@pytest.mark.usefixtures("patient")
async def test_many_who_wait_for_a_look_all_hear_of_it(post: Post) -> None:
    async with post.running(), asyncio.timeout(5):
        post.watch.wish(wishes.resume)
        await asyncio.gather(*(post.watch.looked() for _ in range(3)))


async def test_it_hardly_looks_while_the_person_keeps_sharing_off_but_is_there_when_a_pause_ends(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    go = asyncio.Semaphore(0)

    @asynccontextmanager
    async def timeout(seconds: float) -> AsyncIterator[None]:
        waits.append(seconds)
        await go.acquire()
        raise TimeoutError
        yield

    async def wait_after(passed_s: float) -> float:
        post.clock.advance(passed_s)
        count = len(waits)
        go.release()
        await until(lambda: len(waits) > count)
        return waits[-1]

    monkeypatch.setattr(watch_module, "asyncio", SimpleNamespace(**{**vars(asyncio), "timeout": timeout}))
    post.watch.wish(lambda known, now_s: wishes.pause(known, "30m", now_s))
    async with post.running():
        await until(lambda: bool(waits))
        assert (post.code, waits[-1]) == ("paused", 300.0)
        assert await wait_after(1700.0) == pytest.approx(100.0)
        assert await wait_after(100.0) == 0.25
        assert post.code is None
        post.rules = replace(post.rules, consent=False)
        assert await wait_after(0.25) == 0.25  # it yields
        await wait_after(3.0)
        assert (post.code, waits[-1]) == ("no-consent", 300.0)


async def test_during_a_long_wait_the_end_of_the_computers_sleep_makes_it_look_at_once(post: Post) -> None:
    async with post.running():
        post.watch.wish(lambda known, now_s: wishes.pause(known, "1h", now_s))
        await until(lambda: post.code == "paused")
        post.wall_clock.advance(3600)
        post.watch.notice_sleep()
        await until(lambda: post.code != "paused")


@pytest.mark.usefixtures("patient")
async def test_a_pause_that_ended_while_the_computer_slept_is_over_at_the_next_look(post: Post) -> None:
    async with post.running():
        post.watch.wish(lambda known, now_s: wishes.pause(known, "1h", now_s))
        await until(lambda: post.code == "paused")
        post.wall_clock.advance(3600)
        post.watch.look_now()
        await until(lambda: post.code != "paused")


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not is_so():  # noqa: ASYNC110 - what a watch does has no event
            await asyncio.sleep(0)
