"""Desktops of the test's own: an X server, and whoever waits for the person."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fakes.desktop_display import Display, missing_programs, running_display
from fakes.person import Returned


@pytest.fixture
def display() -> Iterator[Display]:
    """An X server that nobody else uses."""
    missing = missing_programs()
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    with running_display() as running:
        yield running


@pytest.fixture
def returned() -> Returned:
    """Hears of the person's return."""
    return Returned()
