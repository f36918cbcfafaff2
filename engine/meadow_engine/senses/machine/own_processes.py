"""Which processes are this engine: itself, and what it started."""

from __future__ import annotations

import os
from pathlib import Path

import psutil


def own_processes() -> frozenset[int]:
    """The numbers of this process and of all its living descendants."""
    own = os.getpid()
    found = _descendants_by_kernel(own)
    if found is None:
        try:
            found = {child.pid for child in psutil.Process(own).children(recursive=True)}
        except psutil.Error:
            found = set()
    return frozenset({own, *found})


def _descendants_by_kernel(pid: int) -> set[int] | None:
    """As Linux lists them for each thread; None where it does not. Spares a walk over every process there is."""
    found: set[int] = set()
    waiting = [pid]
    while waiting:
        parent = waiting.pop()
        try:
            lists = list(Path(f"/proc/{parent}/task").iterdir())
            children = [int(word) for each in lists for word in (each / "children").read_text().split()]
        except OSError:
            if parent == pid and not _kernel_lists_children(pid):
                return None
            continue  # it ended meanwhile
        found.update(children)
        waiting.extend(children)
    return found


def _kernel_lists_children(pid: int) -> bool:
    return Path(f"/proc/{pid}/task/{pid}/children").exists()
