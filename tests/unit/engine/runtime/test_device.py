"""Work on the device is done by one thread, in the order in which it was asked for."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from meadow_engine.runtime import device as device_module
from meadow_engine.runtime.device import ComputeThread, DeviceUnusableError, choose_device, free_bytes


@pytest.fixture
def compute() -> Iterator[ComputeThread]:
    thread = ComputeThread(torch.device("cpu"))
    yield thread
    thread.close()


async def test_work_gives_its_result(compute: ComputeThread) -> None:
    assert (await compute.run(divmod, 7, 3)).value == (2, 1)


async def test_work_raises_what_its_function_raises_and_the_next_one_runs(compute: ComputeThread) -> None:
    with pytest.raises(ZeroDivisionError):
        await compute.run(divmod, 7, 0)
    assert (await compute.run(divmod, 7, 3)).value == (2, 1)


async def test_all_work_is_done_on_one_thread_that_is_not_the_loops(compute: ComputeThread) -> None:
    threads = {(await compute.run(threading.get_ident)).value for _ in range(5)}
    assert len(threads) == 1
    assert threading.get_ident() not in threads


async def test_work_is_done_in_the_order_it_was_asked_for(compute: ComputeThread) -> None:
    order: list[int] = []
    begin = threading.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(compute.run(begin.wait))
        for number in range(20):
            group.create_task(compute.run(order.append, number))
        await asyncio.sleep(0)
        assert order == []
        begin.set()
    assert order == list(range(20))


async def test_times_tell_waiting_from_computing(compute: ComputeThread, monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter([10.0, 13.0, 18.0])  # asked, begun, done
    monkeypatch.setattr(device_module.time, "perf_counter", lambda: next(ticks))
    done = await compute.run(lambda: None)
    assert (done.queue_s, done.compute_s) == (3.0, 5.0)


async def test_closing_drops_what_waits_and_lets_the_current_work_end(compute: ComputeThread) -> None:
    begin, has_begun = threading.Event(), threading.Event()
    finished: list[str] = []

    def work() -> None:
        has_begun.set()
        begin.wait()
        finished.append("first")

    first = asyncio.ensure_future(compute.run(work))  # noqa: TID251 - ends within the test
    second = asyncio.ensure_future(compute.run(finished.append, "second"))  # noqa: TID251 - ends within the test
    await asyncio.to_thread(has_begun.wait)
    closing = asyncio.ensure_future(asyncio.to_thread(compute.close))  # noqa: TID251 - ends within the test
    with pytest.raises(asyncio.CancelledError):
        await second
    begin.set()
    await first
    await closing
    assert finished == ["first"]


async def test_work_that_is_asked_for_after_the_closing_is_dropped_and_not_waited_for() -> None:
    thread = ComputeThread(torch.device("cpu"))
    thread.close()
    async with asyncio.TaskGroup() as group:
        late = group.create_task(thread.run(divmod, 7, 3))
        ended, _ = await asyncio.wait([late], timeout=5)
        late.cancel()
    assert ended == {late}
    assert late.cancelled()


async def test_what_was_computed_is_told_on_the_loop_with_its_times(compute: ComputeThread) -> None:
    told: asyncio.Future[tuple[Any, ...]] = asyncio.get_running_loop().create_future()
    compute.submit(lambda: 7, lambda *outcome: told.set_result((threading.get_ident(), *outcome)))
    thread, value, error, queue_s, compute_s = await told
    assert (thread, value, error) == (threading.get_ident(), 7, None)
    assert queue_s >= 0
    assert compute_s >= 0


async def test_work_whose_asker_is_gone_is_done_and_forgotten(compute: ComputeThread) -> None:
    begin, done = threading.Event(), []
    async with asyncio.TaskGroup() as group:
        group.create_task(compute.run(begin.wait))
        gone = group.create_task(compute.run(done.append, "work"))
        await asyncio.sleep(0)
        gone.cancel()
        begin.set()
    await compute.run(int)
    assert done == ["work"]


def test_the_cpu_is_a_device() -> None:
    assert choose_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize("name", [None, "auto"])
def test_the_best_device_is_chosen_where_none_was_named(name: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert choose_device(name).type == "mps"
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert choose_device(name).type == "cpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device(name).type == "cuda"


@pytest.mark.parametrize("name", ["toaster", "cuda:x", "cuda:99", "cpu:cpu"])
def test_a_device_that_is_not_there_is_named(name: str) -> None:
    with pytest.raises(DeviceUnusableError, match=name):
        choose_device(name)


def test_free_memory_of_the_cpu_is_the_systems() -> None:
    assert free_bytes(torch.device("cpu")) > 1 << 20
