"""NVIDIA cards, by the driver's own library (NVML): memory, work and heat, in total and by process.

The library is opened and closed for every reading, because an open handle keeps a laptop's card awake; a card that
sleeps is not asked at all. A driver that goes away (an update, a crash, a card that fell off the bus) means no cards
until it is back.

    sysfs power state ──► NVML in a thread, bounded ──► GpuFacts, in the order of PCI addresses

Source: NVML API reference; `pynvml` of the package nvidia-ml-py. Inside WSL2 and on Windows the library does not tell
the memory of single processes: memory in total and utilisation remain.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

import psutil
import pynvml

from meadow_engine.policy.facts import GpuFacts
from meadow_engine.senses.gpu.cards import PciCard, find_cards
from meadow_engine.senses.gpu.driver import DriverSense
from meadow_engine.senses.gpu.rest import CardLook
from meadow_engine.senses.machine.own_processes import own_processes

# The driver keeps several samples a second of each process; older ones may be of work that has ended.
SAMPLES_NOT_OLDER_THAN_US = 1_500_000


class NvidiaSense(DriverSense):
    """Asks NVML."""

    name = "NVIDIA driver (NVML)"
    card_name = "NVIDIA graphics card"

    def _look(self, is_computing: bool) -> tuple[GpuFacts, ...]:
        cards = find_cards(self._sys_root, "nvidia")
        known = [self._resting.facts_without_asking(card, is_computing) for card in cards]
        if cards and None not in known:
            return tuple(facts for facts in known if facts is not None)
        try:
            pynvml.nvmlInit()
        except pynvml.NVMLError:
            return tuple(facts for facts in known if facts is not None)
        try:
            if cards:
                looks = [facts or self._ask_card(card, is_computing) for card, facts in zip(cards, known, strict=True)]
            else:  # WSL2, Windows, or a container without /sys
                looks = [_facts_of_index(index, is_computing) for index in range(_count())]
            return tuple(facts for facts in looks if facts is not None)
        finally:
            with suppress(pynvml.NVMLError):
                pynvml.nvmlShutdown()

    def _ask_card(self, card: PciCard, is_computing: bool) -> GpuFacts | None:
        # By address rather than by index, because an index may be another card's, and asking that one would wake it.
        try:
            look = _ask(pynvml.nvmlDeviceGetHandleByPciBusId(card.address), is_computing)
        except pynvml.NVMLError:
            return None
        self._resting.remember(card, look)
        return look.facts


def _count() -> int:
    try:
        return int(pynvml.nvmlDeviceGetCount())
    except pynvml.NVMLError:
        return 0


def _facts_of_index(index: int, is_computing: bool) -> GpuFacts | None:
    try:
        return _ask(pynvml.nvmlDeviceGetHandleByIndex(index), is_computing).facts
    except pynvml.NVMLError:
        return None


def _ask(handle: Any, is_computing: bool) -> CardLook:
    """All facts about one card.

    Raises:
        NVMLError: the card or the driver is gone.
    """
    name = str(pynvml.nvmlDeviceGetName(handle))
    memory = _answer(pynvml.nvmlDeviceGetMemoryInfo, handle)
    used = _bytes_by_process(handle)
    own = own_processes()
    busy = _foreign_busy(handle, own, is_computing)
    temperature = _answer(pynvml.nvmlDeviceGetTemperature, handle, pynvml.NVML_TEMPERATURE_GPU)
    facts = GpuFacts(
        name=name,
        total_bytes=None if memory is None else int(memory.total),
        free_bytes=None if memory is None else int(memory.free),
        foreign_bytes=None if used is None else _foreign_bytes(used, own),
        foreign_busy=busy,
        temperature_c=None if temperature is None else float(temperature),
    )
    return CardLook(facts, is_unused=used == {} and busy == 0)


def _answer(question: Callable[..., Any], *arguments: Any) -> Any:
    """What the driver says, or None where this card does not know (old ones, virtual ones, parts of one).

    Raises:
        NVMLError: the card or the driver is gone.
    """
    try:
        return question(*arguments)
    except (pynvml.NVMLError_GpuIsLost, pynvml.NVMLError_DriverNotLoaded, pynvml.NVMLError_Uninitialized):
        raise
    except pynvml.NVMLError:
        return None


def _bytes_by_process(handle: Any) -> dict[int, int | None] | None:
    """Memory of every process on the card; a value is None where the system keeps it to itself, as Windows does."""
    lists = [
        _answer(pynvml.nvmlDeviceGetComputeRunningProcesses, handle),
        _answer(pynvml.nvmlDeviceGetGraphicsRunningProcesses, handle),
    ]
    if lists == [None, None]:
        return None
    found: dict[int, int | None] = {}
    for each in (process for listed in lists if listed is not None for process in listed):
        # A program that both draws and computes is in both lists with the same memory.
        found[each.pid] = each.usedGpuMemory if found.get(each.pid) is None else found[each.pid]
    return found


def _foreign_bytes(used: dict[int, int | None], own: frozenset[int]) -> int | None:
    foreign = {pid: amount for pid, amount in used.items() if pid not in own}
    if not _are_visible(foreign):
        return None
    amounts = [amount for amount in foreign.values() if amount is not None]
    return sum(amounts) if len(amounts) == len(foreign) else None


def _foreign_busy(handle: Any, own: frozenset[int], is_computing: bool) -> float | None:
    """The share of the last second in which others kept the card at work."""
    percent_by_process = _percent_by_process(handle)
    if percent_by_process and _are_visible(pid for pid in percent_by_process if pid not in own):
        return min(1.0, sum(percent for pid, percent in percent_by_process.items() if pid not in own) / 100)
    if is_computing:
        return None
    total = _answer(pynvml.nvmlDeviceGetUtilizationRates, handle)
    return None if total is None else min(1.0, total.gpu / 100)


def _percent_by_process(handle: Any) -> dict[int, int]:
    """The newest sample of every process that worked lately; empty where the driver does not tell."""
    since_us = time.time_ns() // 1000 - SAMPLES_NOT_OLDER_THAN_US
    samples = _answer(pynvml.nvmlDeviceGetProcessUtilization, handle, since_us) or []
    newest = sorted((sample.timeStamp, sample.pid, sample.smUtil) for sample in samples)
    # Some drivers give samples of nonsense, far above 100.
    return {pid: percent for taken_us, pid, percent in newest if taken_us >= since_us and percent <= 100}


def _are_visible(pids: Iterable[int]) -> bool:
    """Whether these numbers mean processes here: seen from a container they are the host's, and ours is among them."""
    return all(psutil.pid_exists(pid) for pid in pids)
