"""Asking a maker's driver about its cards: in a thread, bounded, and never a card that sleeps."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from pathlib import Path

from meadow_engine.policy.facts import GpuFacts
from meadow_engine.senses.gpu.rest import RestingCards
from meadow_engine.senses.machine.bounded import BoundedCalls


class DriverSense(ABC):
    """Implements `Sense[tuple[GpuFacts, ...]]` for one driver.

    `is_computing` says whether this engine has computed within the last second: where the driver does not tell whose
    work it is, all of it then counts as unknown, and otherwise as that of others.
    """

    name: str
    card_name: str
    """What a card is called while nobody has asked for its own name."""

    def __init__(
        self,
        is_computing: Callable[[], bool],
        *,
        sys_root: Path = Path("/sys"),
        clock: Callable[[], float] = time.monotonic,
        limit_s: float = 1.5,
    ) -> None:
        self._is_computing = is_computing
        self._sys_root = sys_root
        self._resting = RestingCards(clock, self.card_name)
        self._calls: BoundedCalls[tuple[GpuFacts, ...]] = BoundedCalls(self.name, limit_s)

    async def read(self) -> tuple[GpuFacts, ...] | None:
        """One entry for each card; empty without a working driver; None while the driver does not answer."""
        return await self._calls.run(partial(self._look, self._is_computing()))

    async def aclose(self) -> None:
        """Nothing is kept between readings."""
        return

    @abstractmethod
    def _look(self, is_computing: bool) -> tuple[GpuFacts, ...]:
        """Ask; in a thread."""
