"""What is known about this computer at one moment. None always means: this system does not tell.

Times are seconds, sizes bytes, shares 0 to 1, temperatures degrees Celsius.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class GpuFacts:
    """One graphics card. `foreign` is what programs other than this engine do with it.

    `busy` is the share of the last moment in which others kept it at work; a card that sleeps (`is_asleep`) was not
    asked anything, so that it goes on sleeping.
    """

    name: str
    total_bytes: int | None = None
    free_bytes: int | None = None
    foreign_bytes: int | None = None
    foreign_busy: float | None = None
    temperature_c: float | None = None
    is_asleep: bool = False


@dataclass(frozen=True)
class Facts:
    """Everything that decides whether to share, as one value.

    `now_s` is a monotonic clock's time; `week_minute` counts minutes of the local week from Monday 0:00; `idle_s` is
    the time since the last key, click or movement; `foreign_cpu` is the share of all cores that other programs use;
    `programs` are the programs of the person's list that run now; `volume_left_bytes` may still be sent and received
    for others in this calendar month, which ends in `month_left_s`.
    """

    now_s: float
    week_minute: int = 0
    idle_s: float | None = None
    is_locked: bool | None = None
    gpus: tuple[GpuFacts, ...] = ()
    foreign_cpu: float | None = None
    is_full_screen: bool | None = None
    programs: tuple[str, ...] = ()
    is_on_battery: bool | None = None
    is_metered: bool | None = None
    cpu_temperature_c: float | None = None
    free_memory_bytes: int | None = None
    free_disk_bytes: int | None = None
    volume_left_bytes: int | None = None
    month_left_s: float | None = None
