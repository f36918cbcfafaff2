"""Share this computer's cores among all engines that compute on them.

Threads of torch that find no core spin for one, against those of the other engines, and every step takes several times
as long. So each engine takes a seat: a small file that it holds locked, in a folder that is the same for all engines of
this user on this computer. It counts the seats that are taken now and then, and uses an equal part of the cores. The
system drops a lock when its process ends in whatever way, so the others adapt by themselves.

    <runtime>/cores/<computer>/0, 1, …    empty, and never removed; locked as long as somebody sits there

Engines of other users or in other containers are not seen. A number of threads that the person chose is kept.

Threads: torch keeps the number for each thread that asks, so `adapt` and `leave` belong on the compute thread
(`device.py`).
"""

from __future__ import annotations

import itertools
import logging
import os
import platform
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import psutil
import torch

from meadow_engine.api.places import find_places

LOOK_S = 2.0
"""How often an engine counts the others, at most."""
_CHOSEN_BY_PERSON = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")

log = logging.getLogger(__name__)


def choose_threads(cores: int, engines: int, most: int) -> int:
    """How many threads one of `engines` should compute with, where it would use `most` if it were alone."""
    return max(1, min(most, cores // max(1, engines)))


class Seat:
    """One engine's lock in the folder of all engines; one process may hold several.

    Raises:
        OSError: the folder cannot be written, or the system locks no files.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        for number in itertools.count():
            descriptor = _lock(folder / str(number), os.O_RDWR | os.O_CREAT, is_shared=False)
            if descriptor is not None:
                self._name, self._descriptor = str(number), descriptor
                return

    def count(self) -> int:
        """How many engines sit in this folder now, this one included.

        Raises:
            OSError: the folder can no longer be read.
        """
        others = (name for name in os.listdir(self._folder) if name.isdecimal() and name != self._name)
        return 1 + sum(self._is_taken(name) for name in others)

    def leave(self) -> None:
        """Free the seat; the only call after which there may be no other."""
        os.close(self._descriptor)

    def _is_taken(self, name: str) -> bool:
        # Shared, so that two who look at the same time do not take each other for its holder.
        descriptor = _lock(self._folder / name, os.O_RDWR, is_shared=True)
        if descriptor is not None:
            os.close(descriptor)
        return descriptor is None


class CoreShare:
    """This engine's part of the cores, looked at again as others come and go."""

    def __init__(
        self, seat: Seat, cores: int, most: int, set_threads: Callable[[int], None] = torch.set_num_threads
    ) -> None:
        self._seat = seat
        self._cores, self._most = cores, most
        self._set_threads = set_threads
        self._threads = 0
        self._next_look_s = float("-inf")

    def adapt(self, now_s: float) -> None:
        """Compute with as many threads as are this engine's due. `now_s` may be of any clock. Compute thread."""
        if now_s < self._next_look_s:
            return
        self._next_look_s = now_s + LOOK_S
        with suppress(OSError):  # who cannot count keeps what it has until it can
            self._use(choose_threads(self._cores, self._seat.count(), self._most))

    def leave(self) -> None:
        """Leave the cores to the others, and torch as it was. Compute thread."""
        self._seat.leave()
        if self._threads:
            self._use(self._most)

    def _use(self, threads: int) -> None:
        if threads != self._threads:
            log.info("Computing with %d threads from now on", threads)
            self._set_threads(threads)
            self._threads = threads


class FixedShare(CoreShare):
    """An engine whose number of threads the person chose; others count it, and it changes nothing."""

    def adapt(self, now_s: float) -> None:
        pass


def share_cores(
    device: torch.device, folder: Path | None = None, environment: Mapping[str, str] = os.environ
) -> CoreShare | None:
    """A seat among the engines that compute on this computer's cores; None for an engine that computes elsewhere.

    Where no seat can be had, the engine computes as if it were alone.
    """
    if device.type != "cpu":
        return None
    try:
        seat = Seat(folder or _folder_of_all())
    except (OSError, ImportError) as error:
        log.warning("The cores are not shared with other engines on this computer: %s", error)
        return None
    kind = FixedShare if any(environment.get(name) for name in _CHOSEN_BY_PERSON) else CoreShare
    return kind(seat, _usable_cores(), torch.get_num_threads())


def _folder_of_all() -> Path:
    """The same for every base folder; a home folder may be shared by computers, hence the computer's name."""
    return find_places().runtime / "cores" / (platform.node() or "here")


def _usable_cores() -> int:
    """Physical cores, as two threads on one core do not compute faster; fewer if this process may not use all."""
    logical = os.cpu_count() or 1
    physical = psutil.cpu_count(logical=False) or logical
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else logical
    return min(physical, allowed)


def _lock(path: Path, flags: int, is_shared: bool) -> int | None:
    """The file, open and locked until it is closed; None when another has it."""
    import fcntl

    descriptor = os.open(path, flags, 0o600)
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if is_shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        if isinstance(error, BlockingIOError):
            return None
        raise
    return descriptor
