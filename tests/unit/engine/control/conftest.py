"""The control API over an engine that notes what is asked of it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from fakes.noting_engine import KEY, NotingEngine
from meadow_engine.control.app import create_app


@pytest.fixture
def engine() -> NotingEngine:
    return NotingEngine()


@pytest.fixture
async def http(engine: NotingEngine) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(create_app(engine, KEY), raise_app_exceptions=False)
    headers = {"Authorization": f"Bearer {KEY}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:4711", headers=headers) as client:
        yield client
