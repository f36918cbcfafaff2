"""Which programs of the person's list run now."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial

import psutil

from meadow_engine.senses.machine.bounded import BoundedCalls

REFRESH_S = 10.0
"""How often all names are read again: a launcher may become its game without getting a new number."""

_KERNEL_NAME_LENGTH = 15


class ProgramsSense:
    """Implements `Sense[tuple[str, ...]]`: those names of the list, as the list spells them, that run now.

    The list may change at any time, so it is asked for. Upper and lower case and a final `.exe` make no difference.
    Names are read when a process is seen first, and all of them again every ten seconds, in a thread.
    """

    name = "running programs"

    def __init__(
        self,
        listed: Callable[[], Sequence[str]],
        *,
        running: Callable[[], Iterable[int]] = psutil.pids,
        name_of: Callable[[int], str | None] | None = None,
        clock: Callable[[], float] = time.monotonic,
        limit_s: float = 1.5,
    ) -> None:
        self._listed = listed
        self._running = running
        self._name_of = name_of if name_of is not None else program_name
        self._clock = clock
        self._names: dict[int, str | None] = {}
        self._refreshed_at_s = clock()
        self._calls: BoundedCalls[tuple[str, ...] | None] = BoundedCalls("programs", limit_s)

    async def read(self) -> tuple[str, ...] | None:
        """None where the system lists no processes."""
        listed = tuple(self._listed())
        return await self._calls.run(partial(self._look, listed)) if listed else ()

    async def aclose(self) -> None:
        """Nothing is open."""

    def _look(self, listed: tuple[str, ...]) -> tuple[str, ...] | None:
        try:
            pids = list(self._running())
        except (OSError, psutil.Error):
            return None
        if self._clock() - self._refreshed_at_s >= REFRESH_S:
            self._names = {}
            self._refreshed_at_s = self._clock()
        self._names = {pid: self._names[pid] if pid in self._names else self._name_of(pid) for pid in pids}
        running = [name.lower() for name in self._names.values() if name]
        whole = {_plain(name) for name in running}
        cut = {name for name in running if len(name) == _KERNEL_NAME_LENGTH}
        return tuple(entry for entry in listed if _runs(entry, whole, cut))


def program_name(pid: int) -> str | None:
    """The program's file name; None when it has ended."""
    try:
        return psutil.Process(pid).name()
    except (psutil.Error, OSError):
        return None


def _runs(entry: str, whole: set[str], cut: set[str]) -> bool:
    """`cut` are names as long as Linux keeps them, which may have been longer: so are Windows games under Proton."""
    plain = _plain(entry)
    return plain in whole or any(f"{plain}.exe".startswith(name) for name in cut)


def _plain(name: str) -> str:
    return name.strip().lower().removesuffix(".exe")
