"""Main memory that programs can still have, without pushing others out to disk."""

from __future__ import annotations

import psutil


class FreeMemorySense:
    """Implements `Sense[int]`: bytes."""

    name = "main memory"

    async def read(self) -> int | None:
        try:
            return int(psutil.virtual_memory().available)
        except (OSError, RuntimeError):
            return None

    async def aclose(self) -> None:
        """Nothing is open."""
