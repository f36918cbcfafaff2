"""A link to the engine that a test has started."""

from __future__ import annotations

from fakes.desktop_qt import wait_until
from meadow_desktop.engine.link import EngineLink
from meadow_desktop.engine.link_state import Connected


def connect(link: EngineLink) -> None:
    """Wait until the engine has answered."""
    link.begin()
    wait_until(lambda: isinstance(link.state, Connected))
