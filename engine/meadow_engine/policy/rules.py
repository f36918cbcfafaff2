"""The thresholds of sharing, and how much memory they leave for the person.

Times are seconds, sizes bytes, shares 0 to 1, temperatures degrees Celsius, as in `facts.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Mode = Literal["when-idle", "always", "never"]

GB = 10**9
WEEK_MINUTES = 7 * 24 * 60


@dataclass(frozen=True)
class Rules:
    """What the person allows, with defaults that nobody should notice.

    `mode`: `always` leaves out the question whether the person is there, and nothing else.
    `gpus`: positions in `Facts.gpus` of the cards that are lent; None is all of them, and () computes on the processor.
    `windows`: (from, to) in minutes of the local week from Monday 0:00; one whose end comes before its start runs
    across Sunday's midnight. No window at all means that any time will do.

    Raises ValueError for thresholds that contradict themselves.
    """

    mode: Mode = "when-idle"
    consent: bool = False

    idle_s: float = 180.0
    only_on_mains: bool = True
    only_unmetered: bool = True
    not_beside_full_screen: bool = True

    gpus: tuple[int, ...] | None = None
    foreign_gpu: float = 0.10
    foreign_gpu_s: float = 5.0
    # Asked only where Meadow computes on the processor: a card's work needs little of it.
    foreign_cpu: float = 0.5
    foreign_cpu_s: float = 10.0
    hot_c: float = 83.0
    cool_c: float = 75.0

    lent_memory: float = 0.8
    kept_bytes: int = 1_500_000_000
    # Less is not worth a load, and the distance to `kept_bytes` keeps a load from ending itself.
    least_lent_bytes: int = 500_000_000
    least_disk_bytes: int = 5 * GB
    windows: tuple[tuple[int, int], ...] = ()

    quiet_s: float = 60.0
    longest_quiet_s: float = 1800.0
    flap_s: float = 600.0
    """Sharing that this computer's use ends earlier than this was a flap."""
    flaps_before_doubling: int = 3
    loads_per_hour: int = 4
    drain_s: float = 300.0
    """How long draining may take before the rest of the sessions is left to recover elsewhere."""

    def __post_init__(self) -> None:
        if self.cool_c > self.hot_c:
            raise ValueError(f"cools down at {self.cool_c} °C, which is hotter than {self.hot_c} °C")
        if not 0 <= self.lent_memory <= 1:
            raise ValueError(f"{self.lent_memory} is not a share of the free memory")
        if self.loads_per_hour < 1:
            raise ValueError("without a single load in an hour there is no sharing: choose the mode `never`")
        for start, end in self.windows:
            if not (0 <= start < WEEK_MINUTES and 0 <= end <= WEEK_MINUTES) or start == end:
                raise ValueError(f"({start}, {end}) is not a window of the week's {WEEK_MINUTES} minutes")


def lendable_bytes(free_bytes: int, rules: Rules) -> int:
    """How much of the memory that is free before loading may be lent; at least 0."""
    return max(0, min(int(free_bytes * rules.lent_memory), free_bytes - rules.kept_bytes))


def quiet_needed_s(flaps: int, rules: Rules) -> float:
    """How long nothing may be seen before sharing begins again, after `flaps` short sharings in a row."""
    doublings = min(max(0, flaps - rules.flaps_before_doubling + 1), 32)
    return min(rules.quiet_s * 2.0**doublings, max(rules.quiet_s, rules.longest_quiet_s))


def minutes_to_window(week_minute: int, rules: Rules) -> int:
    """Minutes until a window of the schedule is open; 0 when one is, or when there is no schedule."""
    if not rules.windows:
        return 0
    return min(_minutes_to(start, end, week_minute % WEEK_MINUTES) for start, end in rules.windows)


def _minutes_to(start: int, end: int, minute: int) -> int:
    is_open = start <= minute < end if start < end else minute >= start or minute < end
    return 0 if is_open else (start - minute) % WEEK_MINUTES
