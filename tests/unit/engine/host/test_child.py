"""A host process is heard, told to leave, and gone when it should be, whatever it does."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from fakes import host_program
from meadow_engine.host import child as child_module
from meadow_engine.host.child import HostChild, running_host
from meadow_engine.host.protocol import Failed, Loading, Order, Report, Served, Serving


@pytest.fixture
def order(tmp_path: Path) -> Callable[[str], Order]:
    return lambda kind: Order(kind, "", "cpu", "auto", "none", "mine", [], [], str(tmp_path / "gate"))


@pytest.fixture
def log(tmp_path: Path) -> Callable[[], list[str]]:
    return lambda: (tmp_path / "gate.log").read_text().splitlines()


def is_gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


async def until_served(child: HostChild) -> None:
    async for report in child.reports():
        if isinstance(report, Served):
            return


async def test_it_hears_its_order_and_reports(order: Callable[[str], Order]) -> None:
    heard: list[Report] = []
    async with running_host(order("good"), host_program.COMMAND) as child:
        async for report in child.reports():
            heard.append(report)
            if isinstance(report, Served):
                break
    assert [type(report) for report in heard] == [Loading, Serving, Served]


async def test_leaving_ends_the_reports_and_gives_the_exit_code(
    order: Callable[[str], Order], log: Callable[[], list[str]]
) -> None:
    async with running_host(order("good"), host_program.COMMAND) as child:
        await until_served(child)
        await child.leave(5.0)
        assert all([isinstance(report, Served) async for report in child.reports()])
        assert await child.wait() == 0
    assert log()[1:] == ["leave 4.6"]


async def test_one_that_does_not_leave_is_killed_at_the_time_that_was_given(order: Callable[[str], Order]) -> None:
    clock = asyncio.get_running_loop().time
    async with running_host(order("deaf"), host_program.COMMAND) as child:
        await until_served(child)
        began_s = clock()
        await child.leave(0.5)
        assert 0.45 < clock() - began_s < 1.5
        assert await child.wait() == -9


async def test_less_time_counts_while_it_leaves(order: Callable[[str], Order], log: Callable[[], list[str]]) -> None:
    clock = asyncio.get_running_loop().time
    async with running_host(order("deaf"), host_program.COMMAND) as child, asyncio.TaskGroup() as group:
        await until_served(child)
        began_s = clock()
        leaving = group.create_task(child.leave(60.0))
        await asyncio.sleep(0.2)
        await child.leave(0.2)
        await leaving
        assert clock() - began_s < 3.0
    assert [line for line in log() if line.startswith("leave")] == ["leave 59.6"]


async def test_more_time_does_not_count_any_more(order: Callable[[str], Order]) -> None:
    clock = asyncio.get_running_loop().time
    async with running_host(order("deaf"), host_program.COMMAND) as child, asyncio.TaskGroup() as group:
        await until_served(child)
        began_s = clock()
        group.create_task(child.leave(0.4))
        await asyncio.sleep(0.1)
        await child.leave(60.0)
        assert clock() - began_s < 3.0


async def test_leaving_when_it_is_gone_already_is_no_failure(order: Callable[[str], Order]) -> None:
    async with running_host(order("crashing"), host_program.COMMAND) as child:
        assert await child.wait() == -9
        await child.leave(5.0)
        await child.leave(0.0)


async def test_at_the_end_of_the_block_it_is_gone(
    order: Callable[[str], Order], log: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child_module, "_GRACE_S", 0.2)
    for kind in ("good", "deaf"):
        with suppress(ZeroDivisionError):
            async with running_host(order(kind), host_program.COMMAND) as child:
                await until_served(child)
                raise ZeroDivisionError
    pids = [int(line.split()[2]) for line in log() if line.startswith("start")]
    assert len(pids) == 2
    assert all(is_gone(pid) for pid in pids)


async def test_it_belongs_to_no_terminal_so_that_ctrl_c_is_for_the_engine_alone(order: Callable[[str], Order]) -> None:
    others = set(psutil.Process().children())
    async with running_host(order("good"), host_program.COMMAND) as child:
        await until_served(child)
        (process,) = set(psutil.Process().children()) - others
        assert os.getpgid(process.pid) != os.getpgid(0)


async def test_an_expected_failure_is_the_last_report(order: Callable[[str], Order]) -> None:
    async with running_host(order("refused"), host_program.COMMAND) as child:
        assert [type(report) async for report in child.reports()] == [Failed]
        assert await child.wait() == 1


async def test_what_libraries_print_is_passed_over_however_long_it_is(order: Callable[[str], Order]) -> None:
    program = (
        "import sys; sys.stdin.readline();"
        "print('x' * 300_000); print('{}'); print('\\u00ff');"
        """print('{"type": "served", "sessions": 1, "tokens": 2}', flush=True)"""
    )
    async with running_host(order("good"), [sys.executable, "-c", program]) as child:
        (report,) = [report async for report in child.reports()]
        assert isinstance(report, Served)
        assert (report.sessions, report.tokens) == (1, 2)


async def test_a_program_that_is_not_there_cannot_be_started(order: Callable[[str], Order], tmp_path: Path) -> None:
    with pytest.raises(OSError, match="no-program"):
        async with running_host(order("good"), [str(tmp_path / "no-program")]):
            raise AssertionError
