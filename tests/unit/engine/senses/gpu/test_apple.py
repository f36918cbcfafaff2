"""Apple's graphics, from what its registry prints. Written from documentation; not run on such a computer."""

from __future__ import annotations

import plistlib
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import pytest

from meadow_engine.policy.facts import GpuFacts
from meadow_engine.senses.gpu.apple import AppleGpuSense, run_ioreg


def printing(printed: bytes | None) -> Callable[[], Awaitable[bytes | None]]:
    async def ask() -> bytes | None:
        return printed

    return ask


def sense(printed: bytes | None, *, is_computing: bool = False) -> AppleGpuSense:
    memory = SimpleNamespace(total=16_000, available=9_000)
    return AppleGpuSense(lambda: is_computing, ask=printing(printed), memory=lambda: memory)


def registry(**device: Any) -> bytes:
    return plistlib.dumps([device])


async def test_the_registry_tells_name_and_work() -> None:
    printed = registry(model="Apple M2", PerformanceStatistics={"Device Utilization %": 37})
    assert await sense(printed).read() == (GpuFacts("Apple M2", 16_000, 9_000, foreign_busy=0.37),)


async def test_while_we_compute_nobody_knows_what_others_do() -> None:
    printed = registry(model=b"AMD Radeon Pro\0", PerformanceStatistics={"Device Utilization %": 37})
    assert await sense(printed, is_computing=True).read() == (GpuFacts("AMD Radeon Pro", 16_000, 9_000),)


async def test_statistics_that_are_not_there_are_unknown() -> None:
    assert await sense(registry()).read() == (GpuFacts("Apple graphics", 16_000, 9_000),)


async def test_a_computer_without_graphics_has_no_cards() -> None:
    assert await sense(b"").read() == ()


@pytest.mark.parametrize("printed", [None, b"no property list", b"<plist><array>", plistlib.dumps({"a": "b"})])
async def test_what_cannot_be_read_is_unknown(printed: bytes | None) -> None:
    assert await sense(printed).read() is None


async def test_a_computer_without_the_command_is_not_asked_in_vain() -> None:
    assert await run_ioreg() is None
