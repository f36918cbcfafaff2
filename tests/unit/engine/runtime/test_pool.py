"""Pages add up whatever sessions do; who finds none waits in line and is served when others leave or lie idle."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from fakes.virtual_time import in_virtual_time
from meadow_engine.runtime.pool import Account, PagePool, PoolLimits, ServerFullError


@dataclass(eq=False)
class FakeSession:
    """A session that computes by waiting; it insists on its pages being there meanwhile."""

    pool: PagePool
    account: Account = field(init=False)
    move_s: float = 0.0
    is_computing: bool = False
    moves: int = 0
    places: list[tuple[int, float]] = field(default_factory=list)

    async def move_out(self) -> None:
        assert not self.is_computing
        await asyncio.sleep(self.move_s)
        assert not self.is_computing
        self.moves += 1
        self.pool.moved_out(self.account)

    async def step(self, pages: int, seconds: float = 0.0) -> None:
        self.account.is_busy = True
        await self.pool.reserve(self.account, pages, lambda *place: self.places.append(place))
        if self.account.host_pages:
            self.pool.moved_back(self.account)
        self.is_computing = True
        await asyncio.sleep(seconds)
        assert self.account.pages >= pages
        self.is_computing = self.account.is_busy = False
        self.account.used_at = asyncio.get_running_loop().time()


@contextmanager
def session(pool: PagePool, priority: int = 1) -> Iterator[FakeSession]:
    one = FakeSession(pool)
    with pool.account(one.move_out, priority) as one.account:
        yield one


def pool_of(pages: int = 10, host_pages: int = 0, **limits: float) -> PagePool:
    return PagePool(PoolLimits(pages, host_pages, **limits))


@in_virtual_time
async def test_a_session_takes_pages_as_it_grows_and_gives_all_back() -> None:
    pool = pool_of()
    with session(pool) as one:
        await one.step(3)
        await one.step(3)
        assert pool.free_pages == 7
        await one.step(5)
        assert pool.free_pages == 5
        await one.step(2)
        assert pool.free_pages == 5
    assert pool.free_pages == pool.total_pages == 10


@in_virtual_time
async def test_more_than_there_is_is_refused_at_once() -> None:
    pool = pool_of(10)
    with session(pool) as one:
        with pytest.raises(ServerFullError, match="larger"):
            await one.step(11)
        await one.step(10)
    assert pool.free_pages == 10


@in_virtual_time
async def test_who_finds_no_room_waits_until_another_leaves() -> None:
    pool, loop = pool_of(10, patience_s=60.0), asyncio.get_running_loop()
    with session(pool) as second:
        with session(pool) as first:
            await first.step(8)
            waiting = loop.create_task(second.step(5))
            await asyncio.sleep(30)
            assert not waiting.done()
            assert pool.waiting == 1
            assert second.places == [(1, 60.0)]
        left = loop.time()
        await waiting
        assert loop.time() == left
        assert (pool.free_pages, pool.waiting) == (5, 0)
    assert pool.free_pages == 10


@in_virtual_time
async def test_nobody_overtakes_the_line() -> None:
    pool = pool_of(10)
    with session(pool) as large, session(pool) as small:
        with session(pool) as first:
            await first.step(8)
            async with asyncio.TaskGroup() as group:
                group.create_task(large.step(6))
                await asyncio.sleep(0)
                hasty = group.create_task(small.step(1))
                await asyncio.sleep(5)
                assert not hasty.done()
                assert [place for place, _ in small.places] == [2]
                pool.give_back(first.account)
        assert pool.free_pages == 3


@in_virtual_time
async def test_the_line_is_ordered_by_urgency_and_then_by_arrival() -> None:
    pool, order = pool_of(10), []
    with session(pool) as holder:
        await holder.step(10)
        others = [(name, priority) for name, priority in (("usual", 1), ("later", 2), ("urgent", 0), ("second", 1))]

        async def come(name: str, priority: int) -> None:
            with session(pool, priority) as one:
                await one.step(10, seconds=1)
                order.append((name, one.places[0][0]))

        async with asyncio.TaskGroup() as group:
            for other in others:
                group.create_task(come(*other))
                await asyncio.sleep(0.01)
            pool.give_back(holder.account)
    assert order == [("urgent", 1), ("usual", 1), ("second", 3), ("later", 2)]
    assert pool.free_pages == 10


@in_virtual_time
async def test_patience_ends_with_an_answer() -> None:
    pool, loop = pool_of(10, patience_s=20.0), asyncio.get_running_loop()
    with session(pool) as first, session(pool) as second:
        await first.step(10)
        began = loop.time()
        with pytest.raises(ServerFullError, match="no memory left"):
            await second.step(1)
        assert loop.time() - began == pytest.approx(20)
        assert pool.waiting == 0
    assert pool.free_pages == 10


@pytest.mark.parametrize("when", [0.0, 0.05, 5.0])
@in_virtual_time
async def test_who_is_cancelled_in_line_leaves_it_and_the_next_one_is_served(when: float) -> None:
    pool = pool_of(10)
    with session(pool) as first, session(pool) as second, session(pool) as third:
        await first.step(8)
        async with asyncio.TaskGroup() as group:
            gives_up = group.create_task(second.step(5))
            await asyncio.sleep(0)
            served = group.create_task(third.step(2))
            await asyncio.sleep(when)
            gives_up.cancel()
        assert served.exception() is None
        assert (pool.free_pages, pool.waiting) == (0, 0)
    assert pool.free_pages == 10


@in_virtual_time
async def test_who_is_cancelled_in_the_moment_of_its_turn_loses_nothing() -> None:
    pool = pool_of(10)
    with session(pool) as first:
        await first.step(8)
        with session(pool) as second:
            task = asyncio.get_running_loop().create_task(second.step(5))
            await asyncio.sleep(1)
            pool.give_back(first.account)  # the second one has its pages, but does not know yet
            assert second.account.pages == 5
            task.cancel()
            await asyncio.wait([task])
        assert pool.free_pages == 10


@in_virtual_time
async def test_an_idle_session_makes_room_after_a_while_and_comes_back_later() -> None:
    pool, loop = pool_of(10, 20, spill_after_s=1.0), asyncio.get_running_loop()
    with session(pool) as idle, session(pool) as new:
        await idle.step(8)
        await asyncio.sleep(30)
        began = loop.time()
        await new.step(5)
        assert 1.0 <= loop.time() - began < 1.5
        assert (idle.moves, pool.free_pages, pool.free_host_pages) == (1, 5, 12)
        await asyncio.sleep(30)
        await idle.step(8)
        assert (new.moves, pool.free_pages, pool.free_host_pages) == (1, 2, 15)
    assert (pool.free_pages, pool.free_host_pages) == (10, 20)


@in_virtual_time
async def test_the_least_urgent_and_longest_idle_moves_first() -> None:
    pool = pool_of(9, 20)
    with (
        session(pool, 0) as urgent,
        session(pool, 2) as recent,
        session(pool, 2) as oldest,
        session(pool, 1) as new,
    ):
        for one in (oldest, urgent, recent):
            await one.step(3)
            await asyncio.sleep(10)
        await new.step(2)
        assert (oldest.moves, recent.moves, urgent.moves) == (1, 0, 0)


@in_virtual_time
async def test_who_computes_never_moves() -> None:
    pool = pool_of(10, 20, patience_s=20.0)
    with session(pool) as busy, session(pool) as new:
        computing = asyncio.get_running_loop().create_task(busy.step(8, seconds=100))
        await asyncio.sleep(10)
        with pytest.raises(ServerFullError):
            await new.step(5)
        await computing
        assert busy.moves == 0


@in_virtual_time
async def test_a_session_whose_step_comes_while_it_moves_waits_until_it_has_its_pages_again() -> None:
    pool = pool_of(10, 20)
    with session(pool) as moving, session(pool) as new:
        moving.move_s = 1.0
        await moving.step(8)
        await asyncio.sleep(10)
        async with asyncio.TaskGroup() as group:
            group.create_task(new.step(5, seconds=1))
            await asyncio.sleep(1.5)
            assert moving.account.is_moving
            group.create_task(moving.step(8, seconds=5))
        assert moving.moves == 1
    assert (pool.free_pages, pool.free_host_pages) == (10, 20)


@in_virtual_time
async def test_two_growing_sessions_that_wait_for_each_other_take_turns() -> None:
    pool = pool_of(10, 20, patience_s=60.0)
    with session(pool) as one, session(pool) as other:
        await one.step(5)
        await other.step(5)
        async with asyncio.TaskGroup() as group:
            group.create_task(one.step(8, seconds=1))
            group.create_task(other.step(8, seconds=1))
            await asyncio.sleep(0.5)
            for waiting in (one, other):  # the next pieces of their prompts come meanwhile
                waiting.account.is_busy = True
        assert one.moves + other.moves >= 1
    assert (pool.free_pages, pool.free_host_pages) == (10, 20)


@in_virtual_time
async def test_without_room_on_the_host_nobody_moves() -> None:
    pool = pool_of(10, 4, patience_s=20.0)
    with session(pool) as idle, session(pool) as new:
        await idle.step(8)
        await asyncio.sleep(10)
        with pytest.raises(ServerFullError):
            await new.step(5)
        assert (idle.moves, pool.free_host_pages) == (0, 4)


@in_virtual_time
async def test_a_move_that_fails_fails_the_one_who_asked_and_nothing_is_lost() -> None:
    pool = pool_of(10, 20)

    async def fail() -> None:
        raise OSError("no memory on the host")

    with session(pool) as new, pool.account(fail) as account:
        await pool.reserve(account, 8, lambda *_place: None)
        await asyncio.sleep(10)
        with pytest.raises(OSError, match="host"):
            await new.step(5)
        assert not account.is_moving
        assert (pool.free_pages, pool.free_host_pages) == (2, 20)
    assert (pool.free_pages, pool.free_host_pages) == (10, 20)


@pytest.mark.parametrize("seed", range(12))
@in_virtual_time
async def test_pages_always_add_up(seed: int) -> None:
    """Sessions come, grow, lie idle, restart, are cancelled anywhere; half of the time there is not enough for all."""
    rng = random.Random(seed)
    total, host = rng.randint(10, 40), rng.choice([0, 20, 60])
    pool = pool_of(total, host, patience_s=rng.choice([3.0, 30.0]), spill_after_s=rng.choice([0.0, 1.0]))
    alive: set[FakeSession] = set()

    def check() -> None:
        assert pool.free_pages >= 0
        assert pool.free_host_pages >= 0
        assert pool.free_pages + sum(one.account.pages for one in alive) == total
        assert pool.free_host_pages + sum(one.account.host_pages for one in alive) == host

    async def live() -> None:
        await asyncio.sleep(rng.uniform(0, 20))
        with session(pool, rng.randint(0, 2)) as one:
            one.move_s = rng.choice([0.0, 0.05, 0.5])
            alive.add(one)
            pages = 0
            try:
                for _ in range(rng.randint(1, 10)):
                    if rng.random() < 0.1 and not one.account.is_moving:
                        pool.moved_back(one.account)
                        pool.give_back(one.account)
                        pages = 0
                    pages = min(total, pages + rng.randint(0, total // 3))
                    await one.step(pages, rng.uniform(0, 1))
                    check()
                    await asyncio.sleep(rng.choice([0.0, 0.1, 5.0]))
            except ServerFullError:
                pass
            finally:
                check()
                alive.discard(one)

    tasks = [asyncio.get_running_loop().create_task(live()) for _ in range(12)]
    for _ in range(60):
        await asyncio.sleep(rng.uniform(0, 1))
        check()
        if rng.random() < 0.1:
            rng.choice(tasks).cancel()
    done, _ = await asyncio.wait(tasks, timeout=600)
    assert len(done) == len(tasks)
    assert all(task.cancelled() or task.exception() is None for task in tasks)
    assert (pool.free_pages, pool.free_host_pages, pool.waiting) == (total, host, 0)
