"""Run a measurement of any kind, from its settings to its report."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from meadow_engine.bench.concurrent import measure_concurrent
from meadow_engine.bench.decode import measure_decode
from meadow_engine.bench.forward import measure_forward
from meadow_engine.bench.prefill import measure_prefill
from meadow_engine.bench.recover import bench_recover
from meadow_engine.bench.report import Measured, report
from meadow_engine.bench.settings import (
    BenchSettings,
    ConcurrentSettings,
    DecodeSettings,
    ForwardSettings,
    PrefillSettings,
    RecoverSettings,
)
from meadow_engine.bench.sides import Sides, open_sides


async def bench(model: str, join: Sequence[str], settings: BenchSettings) -> dict[str, Any]:
    """Measure and report; starts a swarm on this computer when `join` is empty.

    Raises:
        UsageError: settings that cannot be measured, or not with this model.
        MeadowError: the model or the swarm failed.
    """
    if isinstance(settings, RecoverSettings):
        return await bench_recover(model, join, settings)
    async with open_sides(model, join, settings) as sides:
        kind, measured = await asyncio.to_thread(_measure, sides, settings)
        return report(kind, sides.description.name, settings, measured)


def _measure(sides: Sides, settings: BenchSettings) -> tuple[str, Measured]:
    match settings:
        case DecodeSettings():
            return "decode", measure_decode(sides, settings)
        case PrefillSettings():
            return "prefill", measure_prefill(sides, settings)
        case ConcurrentSettings():
            return "concurrent", measure_concurrent(sides, settings)
        case ForwardSettings():
            return "forward", measure_forward(sides, settings)
        case _:
            raise TypeError(f"nothing measures {type(settings).__name__}")
