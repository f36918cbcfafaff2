"""The share of all cores that programs other than this engine use.

    (processor seconds of everybody − those of this process and its children) / (seconds that the cores offered)

between two readings; so the first one gives nothing yet. Counted in a thread: where the system lists no children, every
process has to be looked at.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import psutil

from meadow_engine.senses.machine.bounded import BoundedCalls
from meadow_engine.senses.machine.own_processes import own_processes

SHORTEST_SPAN_CORE_S = 0.2
"""The system counts in hundredths of a second: over shorter times the share would be noise."""


@dataclass(frozen=True)
class CpuSeconds:
    """Processor time since the computer started: of all cores whether busy or not, of everybody's work, and of ours."""

    offered_s: float
    busy_s: float
    own_s: float


class ForeignCpuSense:
    """Implements `Sense[float]`: 0 when nobody else computes, 1 when others fill all cores."""

    name = "processor times"

    def __init__(self, measure: Callable[[], CpuSeconds | None] | None = None, *, limit_s: float = 1.5) -> None:
        self._measure = measure if measure is not None else measure_cpu_seconds
        self._calls: BoundedCalls[CpuSeconds | None] = BoundedCalls("processor times", limit_s)
        self._before: CpuSeconds | None = None
        self._share: float | None = None

    async def read(self) -> float | None:
        """The share since the reading before; None at the first one."""
        now, before = await self._calls.run(self._measure), self._before
        if now is None:
            return None
        if before is None:
            self._before = now
            return None
        offered_s = now.offered_s - before.offered_s
        if offered_s >= SHORTEST_SPAN_CORE_S:
            # Ours shrinks when a child ends that nobody waits for; that is no work of others.
            own_s = max(0.0, now.own_s - before.own_s)
            self._share = min(1.0, max(0.0, (now.busy_s - before.busy_s - own_s) / offered_s))
            self._before = now
        elif offered_s < 0:  # the computer was asleep and counts anew
            self._before = now
        return self._share

    async def aclose(self) -> None:
        """Nothing is open."""


def measure_cpu_seconds() -> CpuSeconds | None:
    """As the system counts them; None where it does not."""
    try:
        times = psutil.cpu_times()
    except (OSError, RuntimeError):
        return None
    # What else there is (virtual machines on Linux, interrupts on Windows) is counted within these already.
    busy_s = sum(getattr(times, kind, 0.0) for kind in ("user", "nice", "system", "irq", "softirq"))
    idle_s = sum(getattr(times, kind, 0.0) for kind in ("idle", "iowait", "steal"))
    return CpuSeconds(busy_s + idle_s, busy_s, sum(map(_seconds_of, own_processes())))


def _seconds_of(pid: int) -> float:
    """Of a process, and of those of its children that it has waited for."""
    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.Error:
        return 0.0
    return times.user + times.system + times.children_user + times.children_system
