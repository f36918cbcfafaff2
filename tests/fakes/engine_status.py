"""What an engine says of itself: an example that tests change as they need it."""

from __future__ import annotations

from meadow_engine.api.status import EngineStatus

STATUS = EngineStatus(
    version="0.1",
    pid=7,
    peer="12D3KooWself",
    name="computer",
    address=[],
    uptime_s=12.5,
    device="cpu",
    sharing="off",
    model="demo",
    base_url="http://127.0.0.1:4711/v1",
)
