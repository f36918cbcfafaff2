"""The form of every measurement."""

from __future__ import annotations

import math
import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil
import torch
import transformers

from meadow_engine.bench.settings import BenchSettings

Spread = dict[str, float]


@dataclass(frozen=True)
class Measured:
    """What came out: named values of both sides (a spread, a number, a fact), and the ratio of tokens per second."""

    results: Mapping[str, Any]
    reference: Mapping[str, Any]
    ratio: Spread


def report(bench: str, model: str, settings: BenchSettings, measured: Measured) -> dict[str, Any]:
    """The one JSON object of a measurement."""
    return {
        "bench": bench,
        "model": model,
        "settings": asdict(settings),
        "machine": machine(),
        "results": dict(measured.results),
        "reference": dict(measured.reference),
        "ratio": measured.ratio,
    }


def machine() -> dict[str, Any]:
    """What was measured on."""
    return {
        "system": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }


def spread(values: Sequence[float]) -> Spread:
    """Minimum, median and maximum."""
    return {"min": min(values), "median": statistics.median(values), "max": max(values)}


def ratios(ours: Sequence[float], reference: Sequence[float]) -> Spread:
    """The spread of ours/reference; each run's ratio is its own pair's."""
    return spread([mine / other for mine, other in zip(ours, reference, strict=True)])


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` (0 to 1) of the values are not above, interpolated between neighbours."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    below, above = ordered[math.floor(place)], ordered[math.ceil(place)]
    return below + (above - below) * (place - math.floor(place))


def _processor() -> str:
    """The processor's name; Python knows it on few systems."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
