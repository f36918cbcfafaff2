"""A bus of the test's own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fakes.private_bus import running_bus


@pytest.fixture
def bus() -> Iterator[str]:
    """The address of a bus that nobody else is on."""
    with running_bus() as address:
        yield address
