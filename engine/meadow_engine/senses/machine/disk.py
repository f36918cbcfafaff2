"""Room on the disk where models are kept."""

from __future__ import annotations

import shutil
from pathlib import Path

from meadow_engine.senses.machine.bounded import BoundedCalls


class FreeDiskSense:
    """Implements `Sense[int]`: bytes that this user may still write into `folder`.

    Asked in a thread: the folder may lie on a network disk that does not answer.
    """

    name = "disk space"

    def __init__(self, folder: Path, *, limit_s: float = 1.5) -> None:
        self._folder = folder
        self._calls: BoundedCalls[int | None] = BoundedCalls("disk", limit_s)

    async def read(self) -> int | None:
        """Of the nearest folder above, where this one is not made yet; None where the disk does not answer."""
        return await self._calls.run(self._look)

    async def aclose(self) -> None:
        """Nothing is open."""

    def _look(self) -> int | None:
        for folder in (self._folder, *self._folder.parents):
            try:
                return shutil.disk_usage(folder).free
            except FileNotFoundError:
                continue
            except OSError:
                return None
        return None
