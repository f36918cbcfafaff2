"""Engines that compute on the same cores share them, whatever becomes of the others."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from meadow_engine.runtime import cores as cores_module
from meadow_engine.runtime.cores import LOOK_S, CoreShare, Seat, choose_threads, share_cores
from meadow_engine.runtime.device import ComputeThread

CPU = torch.device("cpu")
SIT = """
import sys, pathlib
from meadow_engine.runtime.cores import Seat
seat = Seat(pathlib.Path(sys.argv[1]))
print("sits", flush=True)
sys.stdin.read()
"""


@contextmanager
def another_engine(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that sits in the folder until its stdin closes or it is killed."""
    process = subprocess.Popen(
        [sys.executable, "-c", SIT, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "sits\n"
            yield process
        finally:
            process.kill()


@pytest.fixture
def asked() -> list[int]:
    return []


@pytest.fixture
def share(tmp_path: Path, asked: list[int]) -> Iterator[CoreShare]:
    """Of eight cores, where torch would use them all."""
    share = CoreShare(Seat(tmp_path), cores=8, most=8, set_threads=asked.append)
    yield share
    share.leave()


@pytest.mark.parametrize(
    ("cores", "engines", "most", "expected"),
    [(8, 1, 8, 8), (8, 2, 8, 4), (8, 3, 8, 2), (2, 3, 2, 1), (8, 2, 3, 3), (8, 1, 16, 8), (8, 0, 8, 8), (0, 1, 1, 1)],
)
def test_cores_are_divided_and_nobody_is_left_without(cores: int, engines: int, most: int, expected: int) -> None:
    assert choose_threads(cores, engines, most) == expected


@pytest.mark.parametrize("cores", range(1, 20))
def test_no_more_threads_than_cores_as_long_as_there_are_cores(cores: int) -> None:
    for engines in range(1, cores + 1):
        assert engines * choose_threads(cores, engines, most=cores) <= cores


def test_seats_are_counted_and_used_again(tmp_path: Path) -> None:
    first, second = Seat(tmp_path), Seat(tmp_path)
    assert (first.count(), second.count()) == (2, 2)
    first.leave()
    assert second.count() == 1
    third = Seat(tmp_path)
    assert (second.count(), third.count()) == (2, 2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0", "1"]
    second.leave()
    third.leave()


def test_an_engine_of_another_process_counts_until_it_ends_or_is_killed(tmp_path: Path) -> None:
    seat = Seat(tmp_path)
    with another_engine(tmp_path) as ending, another_engine(tmp_path) as killed:
        assert seat.count() == 3
        ending.communicate()
        assert seat.count() == 2
        killed.kill()
        killed.wait()
        assert seat.count() == 1
    seat.leave()


def test_counting_hinders_nobody_from_sitting_down(tmp_path: Path) -> None:
    watcher = Seat(tmp_path)
    for _ in range(50):
        seat = Seat(tmp_path)
        assert watcher.count() == seat.count() == 2
        seat.leave()
        assert watcher.count() == 1
    watcher.leave()


def test_other_files_in_the_folder_are_no_engines(tmp_path: Path) -> None:
    seat = Seat(tmp_path)
    (tmp_path / "notes").mkdir()
    (tmp_path / "7").write_text("left behind by nobody")
    assert seat.count() == 1
    seat.leave()


def test_seats_are_for_their_owner_only(tmp_path: Path) -> None:
    seat = Seat(tmp_path / "cores")
    for path in (tmp_path / "cores", tmp_path / "cores" / "0"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0
    seat.leave()


def test_an_engine_adapts_when_others_come_and_go(tmp_path: Path, share: CoreShare, asked: list[int]) -> None:
    share.adapt(now_s=100.0)
    others = [Seat(tmp_path), Seat(tmp_path)]
    share.adapt(now_s=100.0 + LOOK_S)
    others.pop().leave()
    share.adapt(now_s=100.0 + 2 * LOOK_S)
    others.pop().leave()
    share.adapt(now_s=100.0 + 3 * LOOK_S)
    assert asked == [8, 2, 4, 8]


def test_an_engine_looks_again_only_after_a_while(tmp_path: Path, share: CoreShare, asked: list[int]) -> None:
    share.adapt(now_s=100.0)
    other = Seat(tmp_path)
    share.adapt(now_s=100.0 + LOOK_S - 0.001)
    assert asked == [8]
    share.adapt(now_s=100.0 + LOOK_S)
    assert asked == [8, 4]
    other.leave()


def test_an_engine_that_cannot_count_keeps_what_it_has(tmp_path: Path, asked: list[int]) -> None:
    seat, other = Seat(tmp_path / "cores"), Seat(tmp_path / "cores")
    share = CoreShare(seat, cores=8, most=8, set_threads=asked.append)
    share.adapt(now_s=0.0)
    (tmp_path / "cores").rename(tmp_path / "moved")
    share.adapt(now_s=LOOK_S)
    assert asked == [4]
    (tmp_path / "moved").rename(tmp_path / "cores")
    other.leave()
    share.adapt(now_s=2 * LOOK_S)
    assert asked == [4, 8]
    share.leave()


@pytest.mark.parametrize("name", ["OMP_NUM_THREADS", "MKL_NUM_THREADS"])
def test_a_number_of_threads_that_the_person_chose_is_kept_and_counts_for_others(
    name: str, tmp_path: Path, share: CoreShare, asked: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cores_module, "_usable_cores", lambda: 2)
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        fixed = share_cores(CPU, tmp_path, {name: "3"})
        assert fixed is not None
        fixed.adapt(now_s=0.0)
        assert torch.get_num_threads() == 3
        share.adapt(now_s=0.0)
        assert asked == [4]
        fixed.leave()
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_where_the_person_chose_nothing_the_cores_are_divided(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores_module, "_usable_cores", lambda: 4)
    before, other = torch.get_num_threads(), Seat(tmp_path)
    torch.set_num_threads(4)
    try:
        mine = share_cores(CPU, tmp_path, {"OMP_NUM_THREADS": ""})
        assert mine is not None
        mine.adapt(now_s=0.0)
        assert torch.get_num_threads() == 2
        mine.leave()
        assert torch.get_num_threads() == 4
    finally:
        torch.set_num_threads(before)
        other.leave()


def test_an_engine_on_a_gpu_takes_no_seat(tmp_path: Path) -> None:
    assert share_cores(torch.device("cuda"), tmp_path / "cores") is None
    assert not (tmp_path / "cores").exists()


def test_an_engine_that_finds_no_seat_computes_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert share_cores(CPU, tmp_path / "file" / "cores") is None


def test_the_seats_of_all_base_folders_are_in_one_place_that_belongs_to_the_computer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if sys.platform != "linux":
        pytest.skip("the folder of the login session is named by a variable on Linux only")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr(cores_module.platform, "node", lambda: "shed")
    share = share_cores(CPU)
    assert share is not None
    assert (tmp_path / "meadow" / "cores" / "shed" / "0").exists()
    share.leave()


async def test_the_compute_thread_uses_its_share_and_gives_it_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = torch.get_num_threads()
    other = Seat(tmp_path)
    monkeypatch.setattr(cores_module, "LOOK_S", 0.0)
    thread = ComputeThread(CPU, CoreShare(Seat(tmp_path), cores=6, most=6))
    try:
        assert (await thread.run(torch.get_num_threads)).value == 3
        other.leave()
        assert (await thread.run(torch.get_num_threads)).value == 6
        assert torch.get_num_threads() == before, "it is the compute thread's number and nobody else's"
    finally:
        thread.close()
        torch.set_num_threads(before)
    alone = Seat(tmp_path)
    assert alone.count() == 1
    alone.leave()


def test_looking_costs_a_step_next_to_nothing(tmp_path: Path) -> None:
    """A decode step must stay as fast as it was: 20 µs for each job on average, beside seven others."""
    others = [Seat(tmp_path) for _ in range(7)]
    share = CoreShare(Seat(tmp_path), cores=os.cpu_count() or 1, most=1, set_threads=lambda _threads: None)
    steps, best_s = 20_000, float("inf")  # of a millisecond each, so ten of them look
    for begin_s in (0.0, 100.0, 200.0):
        began = time.process_time()
        for step in range(steps):
            share.adapt(begin_s + step * 0.001)
        best_s = min(best_s, time.process_time() - began)
    assert best_s / steps < 20e-6
    for seat in others:
        seat.leave()
    share.leave()
