"""Which tests may run beside others: `make test` has two processes (pytest-xdist)."""

from __future__ import annotations

from pathlib import Path

import pytest

_UNIT = Path(__file__).parent / "unit"


@pytest.hookimpl(tryfirst=True)  # xdist reads the marks when its turn comes
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Real engines and real windows take all cores and measure time: their tests follow one another in one process."""
    for item in items:
        if not item.path.is_relative_to(_UNIT):
            item.add_marker(pytest.mark.xdist_group("one after the other"))
