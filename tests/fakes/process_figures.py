"""What a process costs, read from outside: memory, computing time, and how often it wakes up. Linux."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import psutil

_MIB = 1024 * 1024


@dataclass(frozen=True)
class Memory:
    """In MiB. `pss` shares what several programs map (Qt's libraries) among them; `rss` counts all of it."""

    pss: float
    rss: float


def memory_of(pid: int) -> Memory:
    """What a process has in memory now."""
    known = psutil.Process(pid).memory_full_info()
    return Memory(known.pss / _MIB, known.rss / _MIB)


def main_thread_busy_s(pid: int) -> float:
    """What the main thread of a process has computed so far, in seconds; hundredths are the finest."""
    (main,) = (each for each in psutil.Process(pid).threads() if each.id == pid)
    return float(main.user_time + main.system_time)


def wake_ups_a_second(pid: int, watched_s: float) -> float:
    """How often the threads of a process went to sleep by themselves, each of which a wake-up ended."""
    before, began_s = _sleeps(pid), time.monotonic()
    time.sleep(watched_s)
    return (_sleeps(pid) - before) / (time.monotonic() - began_s)


def _sleeps(pid: int) -> int:
    total = 0
    for status in Path(f"/proc/{pid}/task").glob("*/status"):
        words = dict(line.split(":", 1) for line in status.read_text(encoding="utf-8").splitlines())
        total += int(words["voluntary_ctxt_switches"])
    return total
