"""The one thread that owns the device.

Everything that touches weights or caches runs here, one thing after the other, in the order it was asked for; the
event loop only waits. Raises what the function raises.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar

import psutil
import torch

from meadow_client.errors import MeadowError
from meadow_engine.runtime.cores import CoreShare
from meadow_engine.runtime.duty_cycle import DutyCycle

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


@dataclass(frozen=True)
class _Job:
    function: Callable[[], Any]
    loop: asyncio.AbstractEventLoop
    on_done: Callable[[Any, BaseException | None, float, float], None]
    asked: float


class ComputeThread:
    """Runs functions on one thread with one torch device, on its share of the cores if it is given one to keep.

    `duty` says how much of the time it may work; without it, all of it.
    """

    def __init__(self, device: torch.device, cores: CoreShare | None = None, duty: DutyCycle | None = None) -> None:
        self.device = device
        self.duty = duty or DutyCycle()
        self._cores = cores
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._is_closing = False
        self._thread = threading.Thread(target=self._work, name="meadow-compute", daemon=True)
        self._thread.start()

    def submit(
        self, function: Callable[[], Any], on_done: Callable[[Any, BaseException | None, float, float], None]
    ) -> None:
        """Call `function()` on the compute thread, then `on_done(value, error, queue_s, compute_s)` on this loop."""
        job = _Job(function, asyncio.get_running_loop(), on_done, time.perf_counter())
        if self._is_closing:
            _tell(job, None, asyncio.CancelledError(), 0.0, 0.0)
        else:
            self._jobs.put(job)

    async def run(self, function: Callable[..., _T], *args: Any) -> Done[_T]:
        """Call `function(*args)` on the compute thread."""
        future: asyncio.Future[Done[_T]] = asyncio.get_running_loop().create_future()

        def on_done(value: Any, error: BaseException | None, queue_s: float, compute_s: float) -> None:
            if future.done():
                return
            if isinstance(error, asyncio.CancelledError):
                future.cancel()
            elif error is not None:
                future.set_exception(error)
            else:
                future.set_result(Done(value, queue_s, compute_s))

        self.submit(lambda: function(*args), on_done)
        return await future

    def close(self) -> None:
        """Drop what waits and let the current work end."""
        self._is_closing = True
        self.duty.hurry()
        dropped = []
        with suppress(Empty):
            while True:
                dropped.append(self._jobs.get_nowait())
        self._jobs.put(None)
        for job in dropped:
            if job is not None:
                _tell(job, None, asyncio.CancelledError(), 0.0, 0.0)
        self._thread.join()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            began = time.perf_counter()
            value, failed = None, None
            if self._cores is not None:
                self._cores.adapt(began)
            try:
                value = job.function()
            except Exception as error:  # noqa: BLE001 - it belongs to whoever asked
                failed = error
            compute_s = time.perf_counter() - began
            _tell(job, value, failed, began - job.asked, compute_s)
            # Nothing may keep a result (or what it holds) alive until the next job comes.
            del job, value, failed
            self.duty.rest_after(compute_s)
        if self._cores is not None:
            self._cores.leave()


def _tell(job: _Job, value: Any, error: BaseException | None, queue_s: float, compute_s: float) -> None:
    with suppress(RuntimeError):  # the loop has ended, and with it whoever asked
        job.loop.call_soon_threadsafe(job.on_done, value, error, queue_s, compute_s)


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
