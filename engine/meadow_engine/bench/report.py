"""The form of every measurement, and how people read it."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Sequence
from typing import Any

import torch
import transformers


def machine() -> dict[str, Any]:
    """What was measured on."""
    return {
        "system": platform.platform(),
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }


def spread(values: Sequence[float]) -> dict[str, float]:
    """Minimum, median and maximum."""
    return {"min": min(values), "median": statistics.median(values), "max": max(values)}


def table(report: dict[str, Any]) -> str:
    """A few lines for people."""
    lines = [f"{report['bench']}: {report['model']}"]
    for side in ("results", "reference"):
        for name, value in report[side].items():
            if isinstance(value, dict):
                text = f"{value['median']:.4g} ({value['min']:.4g} to {value['max']:.4g})"
            else:
                text = str(value)
            lines.append(f"  {side:<10}{name:<26}{text}")
    ratio = report["ratio"]
    lines.append(
        f"  ratio     {ratio['median']:.3f} ({ratio['min']:.3f} to {ratio['max']:.3f}) of the reference's tokens/s"
    )
    return "\n".join(lines)
