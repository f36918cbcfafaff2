"""AMD cards, from a folder that stands for `/sys`."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

from fakes.clock import FakeClock
from fakes.graphics_cards import add_amd_card, put_on_amd_card, set_asleep
from meadow_engine.policy.facts import GpuFacts
from meadow_engine.senses.gpu.amd import AmdSense

AS_IT_IS = GpuFacts(
    name="FAKE RADEON",
    total_bytes=16_000_000_000,
    free_bytes=14_000_000_000,
    foreign_bytes=2_000_000_000,
    foreign_busy=0.25,
    temperature_c=61.5,
)


def sense(sys_root: Path, *, is_computing: bool = False, clock: FakeClock | None = None) -> AmdSense:
    return AmdSense(lambda: is_computing, sys_root=sys_root, clock=clock or FakeClock())


async def test_a_card_is_told_as_its_files_say(tmp_path: Path) -> None:
    add_amd_card(tmp_path)
    assert await sense(tmp_path).read() == (AS_IT_IS,)


async def test_our_own_memory_is_not_that_of_others(tmp_path: Path) -> None:
    add_amd_card(tmp_path)
    put_on_amd_card(tmp_path, os.getpid(), 1_500_000_000)
    put_on_amd_card(tmp_path, os.getppid(), 300_000_000)
    assert await sense(tmp_path).read() == (replace(AS_IT_IS, foreign_bytes=500_000_000),)


async def test_while_we_compute_nobody_knows_what_others_do(tmp_path: Path) -> None:
    add_amd_card(tmp_path)
    assert await sense(tmp_path, is_computing=True).read() == (replace(AS_IT_IS, foreign_busy=None),)


async def test_a_kernel_that_does_not_tell_our_memory_leaves_that_of_others_open(tmp_path: Path) -> None:
    add_amd_card(tmp_path)
    (tmp_path / "class" / "kfd" / "kfd" / "proc").rmdir()
    assert await sense(tmp_path).read() == (replace(AS_IT_IS, foreign_bytes=None),)


async def test_a_card_that_cannot_compute_holds_nothing_of_ours(tmp_path: Path) -> None:
    add_amd_card(tmp_path)
    shutil.rmtree(tmp_path / "class")
    assert await sense(tmp_path).read() == (AS_IT_IS,)


async def test_files_that_are_missing_or_hold_nonsense_are_unknown(tmp_path: Path) -> None:
    card = add_amd_card(tmp_path)
    (card / "gpu_busy_percent").write_text("lots\n")
    (card / "mem_info_vram_used").unlink()
    (card / "product_name").unlink()
    shutil.rmtree(card / "hwmon")
    assert await sense(tmp_path).read() == (GpuFacts(name="AMD graphics card", total_bytes=16_000_000_000),)


async def test_a_sleeping_card_is_not_asked(tmp_path: Path) -> None:
    card = add_amd_card(tmp_path, may_sleep=True)
    asked = sense(tmp_path)
    await asked.read()
    set_asleep(card, True)
    assert await asked.read() == (GpuFacts(name="FAKE RADEON", is_asleep=True),)


async def test_an_unused_card_that_may_sleep_is_left_alone_for_a_while(tmp_path: Path) -> None:
    clock = FakeClock()
    card = add_amd_card(tmp_path, may_sleep=True)
    (card / "gpu_busy_percent").write_text("0\n")
    asked = sense(tmp_path, clock=clock)
    quiet = replace(AS_IT_IS, foreign_busy=0.0)
    assert await asked.read() == (quiet,)
    (card / "gpu_busy_percent").write_text("90\n")
    clock.advance(19)
    assert await asked.read() == (quiet,)
    clock.advance(2)
    assert await asked.read() == (replace(AS_IT_IS, foreign_busy=0.9),)


async def test_a_driver_that_goes_away_takes_its_cards_along(tmp_path: Path) -> None:
    card = add_amd_card(tmp_path)
    asked = sense(tmp_path)
    assert len(await asked.read() or ()) == 1
    (card / "driver").unlink()
    assert await asked.read() == ()
