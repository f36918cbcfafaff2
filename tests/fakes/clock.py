"""A clock that only tests move."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest


class FakeClock:
    """Time that stands still until somebody sleeps or `advance` is called. Also callable, as a clock is."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds

    async def sleep(self, seconds: float) -> None:
        """Stands for `asyncio.sleep`: others get their turn, and the time has passed."""
        self.slept.append(seconds)
        await asyncio.sleep(0)
        self.now += seconds

    def rule(self, monkeypatch: pytest.MonkeyPatch, module: Any) -> None:
        """Let this clock be `time.monotonic` and `asyncio.sleep` in one module that imports these two."""
        everything_else = {name: getattr(asyncio, name) for name in dir(asyncio) if not name.startswith("_")}
        monkeypatch.setattr(module, "asyncio", SimpleNamespace(**{**everything_else, "sleep": self.sleep}))
        if hasattr(module, "time"):
            monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=self.monotonic))
