"""The one thread that owns the device.

Everything that touches weights or caches runs here, one thing after the other, in the order it was asked for; the
event loop only waits. Raises what the function raises.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import psutil
import torch

from meadow_client.errors import MeadowError

_T = TypeVar("_T")


class DeviceUnusableError(MeadowError):
    code = "device-unusable"
    advice = "Use --device cpu, or install the driver and the torch build for this device."


@dataclass(frozen=True)
class Done(Generic[_T]):
    """A result, and how many seconds it waited for the thread and ran on it."""

    value: _T
    queue_s: float
    compute_s: float


class ComputeThread:
    """Runs functions on one thread with one torch device."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="meadow-compute")

    async def run(self, function: Callable[..., _T], *args: Any) -> Done[_T]:
        """Call `function(*args)` on the compute thread."""
        asked = time.perf_counter()

        def timed() -> Done[_T]:
            began = time.perf_counter()
            value = function(*args)
            return Done(value, began - asked, time.perf_counter() - began)

        return await asyncio.get_running_loop().run_in_executor(self._executor, timed)

    def close(self) -> None:
        """Drop what waits and let the current work end."""
        self._executor.shutdown(wait=True, cancel_futures=True)
        if self.device.type == "cuda":
            torch.cuda.empty_cache()


def free_bytes(device: torch.device) -> int:
    """Memory that nothing uses now, on the device."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return int(psutil.virtual_memory().available)


def choose_device(name: str | None) -> torch.device:
    """The device of this name, or the best one there is: cuda, then mps, then cpu.

    Raises:
        DeviceUnusableError: the name is unknown or the device is not there.
    """
    if name is None or name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise DeviceUnusableError(f"The device {name} cannot be used on this computer") from error
    return device
