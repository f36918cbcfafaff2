"""A display for each module of tests, or a reason why there is none."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fakes.desktop_display import Display, missing_programs, running_display
from fakes.desktop_tray_host import TrayHost, running_tray_host


@pytest.fixture(scope="module")
def display() -> Iterator[Display]:
    missing = missing_programs()
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    with running_display() as display:
        yield display


@pytest.fixture
def tray_host(display: Display) -> Iterator[TrayHost]:
    with running_tray_host(display.bus) as host:
        yield host
